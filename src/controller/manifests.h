// What is installed on a host cluster: the CRD, the controller's rights, its
// Deployment. The one source of config/ and charts/ (generated_files.h). Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"

namespace vk8s::controller {

inline constexpr std::string_view kSystemNamespace = "vk8s-system";
inline constexpr std::string_view kControllerName = "vk8s-controller-manager";
inline constexpr std::string_view kIpManagerName = "vk8s-ip-manager";
inline constexpr std::string_view kIpNodeName = "vk8s-ip-node";
inline constexpr std::string_view kConfigMap = "vk8s-controller-config";
inline constexpr std::string_view kControllerImage = "vk8s/controller:v0.1.0";
inline constexpr std::string_view kFieldManager = "vk8s-controller";

// How many of each a cluster may have: the CRD's limits.
inline constexpr int kMaxNodes = 64;
inline constexpr int kMaxPorts = 64;
inline constexpr int kMaxAddons = 16;

Json crd_manifest();  // of Vk8s
Json ip_pool_crd_manifest();
Json ip_allocation_crd_manifest();
std::vector<Json> crd_manifests();  // all of them
// Namespace, ServiceAccount, ClusterRole, Role and their bindings.
std::vector<Json> rbac_manifests();
std::vector<Json> deployment_manifests();
// All of vk8s-ip-manager: ServiceAccount, rights, Service, and the Deployment, which is last.
std::vector<Json> ip_manager_manifests();
// All of vk8s-ip-node, which no installation has that does not ask for it: what holds it
// to its own Node, ServiceAccount, rights, and the DaemonSet, which is last. routes: it
// routes between nodes, in their own network.
std::vector<Json> ip_node_manifests(bool routes);

}  // namespace vk8s::controller
