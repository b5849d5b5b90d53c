#include "sys/cgroup.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace vk8s::sys {
namespace {

constexpr unsigned long kCgroupFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
const std::string kRoot = "/sys/fs/cgroup";
// The leaf of this process and its children, beside the pods' groups.
constexpr std::string_view kLeaf = "vk8s";

Status detach_all_below(const std::string& path) {
  const auto entries = VK8S_TRY(list_mounts());
  // Later mounts lie on earlier ones.
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->mount_point == path || entry->mount_point.starts_with(path + "/")) {
      VK8S_TRY(detach_mount(entry->mount_point));
    }
  }
  return {};
}

// A new v1 cpuset has no processors and no memory nodes, and no process may
// enter it: it takes its parent's.
Status inherit_cpuset(const std::string& parent, const std::string& group) {
  for (const char* name : {"cpuset.cpus", "cpuset.mems"}) {
    const std::string file = fmt::format("{}/{}", group, name);
    if (!exists(file)) {
      return {};
    }
    const std::string own = VK8S_TRY(read_file(file));
    if (base::trim(own).empty()) {
      const std::string inherited = VK8S_TRY(read_file(fmt::format("{}/{}", parent, name)));
      VK8S_TRY(write_kernel_file(file, base::trim(inherited)));
    }
  }
  return {};
}

// Moves every process of the root group to the leaf: a v2 group with
// controllers enabled for its children may hold no process itself.
Status empty_root_group() {
  VK8S_TRY(ensure_directory(fmt::format("{}/{}", kRoot, kLeaf)));
  const std::string leaf_procs = fmt::format("{}/{}/cgroup.procs", kRoot, kLeaf);
  const std::string pids = VK8S_TRY(read_file(kRoot + "/cgroup.procs"));
  for (const std::string_view pid : base::split(base::trim(pids), '\n')) {
    const Status moved = write_kernel_file(leaf_procs, pid);
    if (!moved && moved.error().code() != Errc::kIo) {  // ESRCH: it has ended
      return moved;
    }
  }
  return {};
}

Status mount_v2() {
  VK8S_TRY(mount_file_system("cgroup2", kRoot, kCgroupFlags));
  VK8S_TRY(empty_root_group());
  const std::string controllers = VK8S_TRY(read_file(kRoot + "/cgroup.controllers"));
  for (const std::string_view controller : base::split(base::trim(controllers), ' ')) {
    VK8S_TRY(write_kernel_file(kRoot + "/cgroup.subtree_control", fmt::format("+{}", controller)));
  }
  // One pod out of memory does not end the whole node.
  if (exists(kRoot + "/memory.oom.group")) {
    VK8S_TRY(write_kernel_file(kRoot + "/memory.oom.group", "0"));
  }
  return {};
}

Status mount_v1() {
  VK8S_TRY(mount_file_system("tmpfs", kRoot, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
  const std::string own = VK8S_TRY(read_file("/proc/self/cgroup"));
  const auto groups = VK8S_TRY(parse_proc_cgroup(own));
  for (const auto& [controllers, path] : groups) {
    if (controllers.empty()) {
      continue;  // the v2 hierarchy of a hybrid machine: no controllers in use there
    }
    const bool is_named = controllers.starts_with("name=");
    const std::string folder =
        fmt::format("{}/{}", kRoot, is_named ? controllers.substr(5) : controllers);
    VK8S_TRY(ensure_directory(folder));
    VK8S_TRY(mount_file_system("cgroup", folder, kCgroupFlags,
                               is_named ? "none," + controllers : controllers));
  }
  return {};
}

}  // namespace

CgroupVersion cgroup_version(const std::string& root) {
  return exists(root + "/cgroup.controllers") ? CgroupVersion::kV2 : CgroupVersion::kV1;
}

Result<std::map<std::string, std::string>> parse_proc_cgroup(std::string_view text) {
  std::map<std::string, std::string> groups;
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.empty()) {
      continue;
    }
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      return fail(Errc::kInvalidArgument, "/proc/<pid>/cgroup: line \"{}\" is malformed",
                  base::printable(line, 200));
    }
    groups.emplace(line.substr(first + 1, second - first - 1), line.substr(second + 1));
  }
  return groups;
}

Status take_cgroup_root() {
  const CgroupVersion version = cgroup_version(kRoot);
  if (::unshare(CLONE_NEWCGROUP) != 0) {
    return fail_errno(errno, "make a cgroup namespace");
  }
  VK8S_TRY(detach_all_below(kRoot));
  return version == CgroupVersion::kV2 ? mount_v2() : mount_v1();
}

Result<std::vector<std::string>> ensure_cgroup(std::string_view name) {
  std::vector<std::string> folders;
  if (cgroup_version(kRoot) == CgroupVersion::kV2) {
    folders.push_back(kRoot);
  } else {
    for (const std::string& hierarchy : VK8S_TRY(list_directory(kRoot))) {
      folders.push_back(fmt::format("{}/{}", kRoot, hierarchy));
    }
  }
  std::vector<std::string> procs;
  for (const std::string& folder : folders) {
    const std::string group = fmt::format("{}/{}", folder, name);
    VK8S_TRY(ensure_directory(group));
    if (cgroup_version(kRoot) == CgroupVersion::kV1) {
      VK8S_TRY(inherit_cpuset(folder, group));
    }
    procs.push_back(group + "/cgroup.procs");
  }
  return procs;
}

}  // namespace vk8s::sys
