// What an installer would have put into a new cluster, kept by server-side
// apply at every start of a master. Pure.
#pragma once

#include <optional>
#include <vector>

#include "api/node_config.h"
#include "base/error.h"
#include "base/json.h"
#include "kube/client.h"

namespace vk8s::agent {

struct BootstrapObject {
  kube::Resource resource;
  Json object;
};

inline constexpr const char* kAgentFieldManager = "vk8s-agent";
inline constexpr const char* kLocalProvisioner = "vk8s.sktelecom.com/local";

// Role bindings (node client requests, kube-proxy, the API server at kubelets,
// administrators, agents, CoreDNS), the DNS Service and its endpoints, the
// default StorageClass (for nodes with api::kVolumesLabel). Ordered; each may be
// applied by itself.
// ca_pem: of the cluster.
Result<std::vector<BootstrapObject>> bootstrap_objects(const api::NodeConfig& config,
                                                       const std::string& ca_pem);

// Merge patches for a Node: the pod CIDR, which each agent writes on its own new
// Node (as kubelet, so NodeRestriction holds it to that one), with a note of the
// labels and taints that came from the spec (api::kFromSpecAnnotation); and the role
// label, which no kubelet may write: the master's agent does.
Json pod_cidr_patch(const api::NodeConfig& config);
Json role_label_patch(api::NodeRole role);

// The merge patch by which this node's own Node gets or loses api::kVolumesLabel;
// nothing if it is right. A kubelet labels a Node only when it makes it.
std::optional<Json> volumes_label_patch(const api::NodeConfig& config, const Json& node);

}  // namespace vk8s::agent
