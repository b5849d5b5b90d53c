// Mounts of the calling process's mount namespace.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::sys {

struct MountEntry {
  std::string mount_point;
  std::string file_system;  // "overlay", "ext4", "cgroup2", ...
  std::string source;
  std::string options;  // of the superblock: "rw,memory"
  std::string root;     // the part of the file system that is mounted
};

// Source: proc(5), /proc/<pid>/mountinfo. Pure.
Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text);
Result<std::vector<MountEntry>> list_mounts();

// mount(2); the mount point exists.
Status mount_file_system(const std::string& type, const std::string& target, unsigned long flags,
                         const std::string& data = "", const std::string& source = "none");
// Binds source on target (a folder is made if target is absent), with what is below.
Status bind_mount(const std::string& source, const std::string& target, bool read_only = false);
bool is_mount_point(const std::string& path);
// MS_SHARED, MS_PRIVATE, ... for path and all below it.
Status set_propagation(const std::string& path, unsigned long propagation);
// Detaches at once (MNT_DETACH), also what is in use. Not mounted is no error.
Status detach_mount(const std::string& path);

}  // namespace vk8s::sys
