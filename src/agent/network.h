// The pod network of a node, on the node's own side.
#pragma once

#include "agent/component_config.h"
#include "api/node_config.h"
#include "base/error.h"
#include "base/log.h"

namespace vk8s::agent {

// The VXLAN device, the rule that masquerades what leaves the pod network, and the
// one that drops every other node's VXLAN until the nodes are known; the node's own
// TCP finds its way where large packets are lost. Idempotent.
Status set_up_network(const api::NodeConfig& config, const NodeFacts& facts, const Log& log);

}  // namespace vk8s::agent
