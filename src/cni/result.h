// What an IPAM plugin says on standard output, in the shape of each version.
// Source: CNI specification 1.1.0 and 0.4.0, section "Result". Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/cidr.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::cni {

// Of the specification, section 5, "Error".
enum class ErrorCode : int {
  kIncompatibleVersion = 1,
  kInvalidEnvironment = 4,
  kIo = 5,
  kDecoding = 6,
  kInvalidConfig = 7,
  kTryAgain = 11,
  kNotAvailable = 50,
};

// How the specification calls a failure of ours; what may pass is kTryAgain.
ErrorCode error_code(const Error& error);

// version: of the configuration; the latest if it is not known. Printable, at most 2 KiB.
std::string error_result(std::string_view version, ErrorCode code, std::string_view message);

struct IpamResult {
  IpAddress address;
  int prefix_length = 0;
  IpAddress gateway;
  JsonArray routes;
};

std::string to_string(const IpamResult& result, std::string_view version);

// The answer to VERSION; asked: the version that the runtime speaks, or "".
std::string version_result(std::string_view asked);

}  // namespace vk8s::cni
