// When each step of a node's start was done, by the agent's own log.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/wall_time.h"

namespace vk8s::bench {

// Seconds from begin until the agent ran ("agent_started"), had made its container a
// node ("node_prepared"), and each program did its work ("etcd_ready"). Lines it does
// not know are passed over.
std::map<std::string, double> step_times(std::string_view log, base::WallTime begin);

}  // namespace vk8s::bench
