// What runs inside a virtual cluster during a test.
#pragma once

#include <string>

namespace vk8s::e2e {

// Deployment and Service "web": so many pods that answer with their names on port
// 80, evenly over the nodes.
std::string web_manifest(int replicas, int node_port = 0);

// Pod "client" that waits to be told, on a node ("" = any), with a volume claim
// mounted at /data.
std::string client_manifest(const std::string& node = {});

}  // namespace vk8s::e2e
