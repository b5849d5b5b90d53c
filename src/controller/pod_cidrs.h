// Which part of the pod network each node has. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/vk8s.h"
#include "base/error.h"

namespace vk8s::controller {

inline constexpr int kNodePrefixLength = 24;

// Node name -> "100.72.3.0/24". A node keeps what it has in `assigned` (which may
// name nodes that are about to go: theirs is not given away); the others get the
// lowest free one. kExhausted where the network is too small.
Result<std::map<std::string, std::string>> assign_pod_cidrs(
    const api::Vk8sSpec& spec, const std::map<std::string, std::string>& assigned);

}  // namespace vk8s::controller
