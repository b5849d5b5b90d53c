// What of a machine an embedded host touches, as text that can be compared.
#pragma once

#include <string>

namespace vk8s::e2e {

// Links, named network namespaces, mounts, cgroup folders, nftables rules and the
// limits that a host raises; without what other hosts (named "vk8s") may change
// meanwhile.
std::string machine_state();

}  // namespace vk8s::e2e
