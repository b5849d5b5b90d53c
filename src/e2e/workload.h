// What runs inside a virtual cluster during a test.
#pragma once

#include <string>

namespace vk8s::e2e {

// Deployment and Service "web": so many pods that answer with their names on port
// 80, evenly over the nodes.
std::string web_manifest(int replicas, int node_port = 0);

// A StorageClass of the agents' provisioner as a user might make it, without the
// topologies of the class `local`; a claim of it, and a pod for that on a node. All
// are called "loose".
std::string loose_volume_manifest(const std::string& node);

// Pod "client" that waits to be told, on a node ("" = any), with a volume claim, of a
// StorageClass ("" = the default), mounted at /data.
std::string client_manifest(const std::string& node = {}, const std::string& storage_class = {});

}  // namespace vk8s::e2e
