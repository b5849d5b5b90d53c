#include "cni/result.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cni/network_config.h"

namespace vk8s::cni {
namespace {

constexpr std::size_t kMaxMessageBytes = 2048;

std::string line(const Json& document) { return base::to_string(document) + "\n"; }

std::string_view known(std::string_view version) {
  for (const std::string_view each : kVersions) {
    if (each == version) {
      return each;
    }
  }
  return kLatestVersion;
}

}  // namespace

ErrorCode error_code(const Error& error) {
  switch (error.code()) {
    case Errc::kUnsupported:
      return ErrorCode::kIncompatibleVersion;
    case Errc::kInvalidArgument:
    case Errc::kTooLarge:
      return ErrorCode::kInvalidConfig;
    case Errc::kIo:
      return ErrorCode::kIo;
    default:
      return ErrorCode::kTryAgain;
  }
}

std::string error_result(std::string_view version, ErrorCode code, std::string_view message) {
  return line(JsonObject{{"cniVersion", known(version)},
                         {"code", static_cast<int>(code)},
                         {"msg", base::printable(message, kMaxMessageBytes)}});
}

std::string to_string(const IpamResult& result, std::string_view version) {
  JsonObject ip;
  if (version == "0.4.0") {
    ip["version"] = result.address.is_v4() ? "4" : "6";
  }
  ip["address"] = fmt::format("{}/{}", result.address.to_string(), result.prefix_length);
  ip["gateway"] = result.gateway.to_string();
  JsonObject out{{"cniVersion", known(version)}, {"ips", JsonArray{std::move(ip)}}};
  if (!result.routes.empty()) {
    out["routes"] = result.routes;
  }
  out["dns"] = JsonObject();
  return line(out);
}

std::string version_result(std::string_view asked) {
  return line(JsonObject{{"cniVersion", known(asked)},
                         {"supportedVersions", JsonArray(kVersions.begin(), kVersions.end())}});
}

}  // namespace vk8s::cni
