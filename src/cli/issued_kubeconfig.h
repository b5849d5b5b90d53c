// The kubeconfig that the controller has issued for a cluster.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/host_api.h"

namespace vk8s::cli {

// What its cluster, user and context are called in the user's own kubeconfig.
std::string context_name(std::string_view namespace_name, std::string_view cluster);

enum class Endpoint {
  kExternal,  // reached from outside the host cluster
  kInternal,  // from its pods
};

// From Secret <name>-kubeconfig, its entries named by context_name(). kNotFound: there
// is no such cluster; kUnavailable: it has none yet.
Result<Json> read_issued_kubeconfig(HostApi& api, const std::string& name,
                                    Endpoint endpoint = Endpoint::kExternal);

}  // namespace vk8s::cli
