#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>

#include "base/text.h"
#include "base/unique_fd.h"
#include "host/host_container.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

constexpr int kKillTimeoutMs = 10'000;

// Kills the processes of this very group, and waits for the end of each.
Status kill_members(const std::string& folder) {
  const auto text = sys::read_file(folder + "/cgroup.procs");
  if (!text) {
    return {};  // a group of threads, or it has just gone
  }
  for (const std::string_view line : base::split(base::trim(*text), '\n')) {
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    const UniqueFd process(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1);
    if (!process) {
      continue;
    }
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
    pollfd set{process.get(), POLLIN, 0};
    if (::poll(&set, 1, kKillTimeoutMs) == 0) {
      return fail(Errc::kTimeout, "process {} in {} does not end after SIGKILL", pid, folder);
    }
  }
  return {};
}

Status remove_group(const std::string& folder) {
  const auto entries = sys::list_directory(folder);
  if (!entries) {
    return entries.error().code() == Errc::kNotFound ? Status{} : tl::unexpected(entries.error());
  }
  for (const std::string& entry : *entries) {
    // Files of a group cannot be listed as folders: only groups can.
    const std::string below = fmt::format("{}/{}", folder, entry);
    if (sys::list_directory(below)) {
      VK8S_TRY(remove_group(below));
    }
  }
  constexpr int kAttempts = 50;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) {
      return {};
    }
    if (errno != EBUSY) {
      return fail_errno(errno, "remove cgroup {}", folder);
    }
    VK8S_TRY(kill_members(folder));
  }
  return fail(Errc::kUnavailable, "cgroup {} stays in use: processes appear in it all the time",
              folder);
}

}  // namespace

Status remove_cgroup(const std::string& cgroup, const std::string& root) {
  if (sys::cgroup_version(root) == sys::CgroupVersion::kV2) {
    return remove_group(root + cgroup);
  }
  const auto hierarchies = sys::list_directory(root);
  if (!hierarchies) {
    return {};  // no cgroups here
  }
  for (const std::string& hierarchy : *hierarchies) {
    VK8S_TRY(remove_group(fmt::format("{}/{}{}", root, hierarchy, cgroup)));
  }
  return {};
}

}  // namespace vk8s::host
