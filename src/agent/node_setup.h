// Makes a container into a node: what a machine's init system and installer
// would have done. Runs once, before the first child, in the order below; each
// step is idempotent, because a container may be restarted in place.
#pragma once

#include "agent/component_config.h"
#include "agent/node_paths.h"
#include "api/node_config.h"
#include "base/error.h"
#include "base/log.h"

namespace vk8s::agent {

// Mount propagation, cgroup root, folders of state and run, machine-id,
// forwarding. After it the calling process is in a cgroup namespace of its own.
Status prepare_node(const NodePaths& paths, const Log& log);

// Address, snapshotter, capabilities, memory, name servers.
Result<NodeFacts> find_node_facts(const NodePaths& paths);

// The cgroup of this agent's children, beside those of the pods.
Result<std::vector<std::string>> component_cgroup();

// Parts that are tested by themselves.
std::vector<std::string> parse_name_servers(std::string_view resolv_conf);
Result<std::int64_t> parse_memory_total(std::string_view meminfo);

}  // namespace vk8s::agent
