// What a server is and serves. Waits; any thread but the loop's.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "kube/client.h"

namespace vk8s::kube {

struct ServerVersion {
  int major = 0;
  int minor = 0;
  std::string text;  // "v1.37.2"
};

// "1.37+", as clouds write it, is understood.
Result<ServerVersion> parse_server_version(const Json& version);

Result<ServerVersion> server_version(BlockingClient& client);

// Whether the server knows this kind of object in this version (its group's
// resources hold the plural).
Result<bool> serves(BlockingClient& client, const Resource& resource);

}  // namespace vk8s::kube
