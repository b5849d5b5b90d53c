// The cgroup hierarchies a node lives in, version 1 (hybrid) or 2.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::sys {

enum class CgroupVersion { kV1, kV2 };

// Which one is mounted on root: v2 if its top folder has cgroup.controllers.
CgroupVersion cgroup_version(const std::string& root = "/sys/fs/cgroup");

// Gives this process a cgroup namespace whose root is the cgroup it is in, and
// mounts that at /sys/fs/cgroup: so an inner kubelet manages this subtree, not
// the host's (containerd gives privileged containers the host's namespace). On
// v2 this process moves to the leaf "vk8s" and every controller is enabled for
// the others. On v1 each controller of the machine is mounted.
//
// Called once, by PID 1, before any child and in a mount namespace of its own.
Status take_cgroup_root();

// Paths of the cgroup.procs files of a child group of the root ("vk8s"): for
// SpawnOptions::cgroup_procs. Creates it where absent.
Result<std::vector<std::string>> ensure_cgroup(std::string_view name);

// "memory:/a/b" lines of /proc/<pid>/cgroup -> controller list -> path. Pure.
Result<std::map<std::string, std::string>> parse_proc_cgroup(std::string_view text);

}  // namespace vk8s::sys
