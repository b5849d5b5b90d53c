// The pod network of a node, on the node's own side: addresses, masquerading.
#pragma once

#include "api/node_config.h"
#include "base/error.h"

namespace vk8s::agent {

// The address CoreDNS listens on (masters) and the rule that masquerades what
// leaves the pod network. Idempotent.
Status set_up_network(const api::NodeConfig& config);

}  // namespace vk8s::agent
