// Whether a host cluster is ready for virtual clusters.
#pragma once

#include "base/json.h"
#include "cli/finding.h"
#include "cli/host_api.h"
#include "cli/surroundings.h"

namespace vk8s::cli {

// All checks, in the order in which a failure hides the later ones. If the API server
// does not answer, that is the only finding.
Findings check_host(HostApi& api, Surroundings& surroundings);

// Parts, pure: answers of the API server in, what they mean out.
Finding check_server_version(const Result<kube::ServerVersion>& version, const std::string& server);
Finding check_kind_served(const Result<std::string>& discovery);
Finding check_controller(const Result<Json>& deployment);
Finding check_storage_classes(const Result<Json>& list);
Finding check_pod_security(const Result<Json>& namespace_object, const std::string& name);
Findings check_nodes(const Result<Json>& list);

// Limits of this machine, where a host node runs on it (its boot id is this one's).
Findings check_machine(const std::string& sysctl_root, const Result<Json>& nodes);

}  // namespace vk8s::cli
