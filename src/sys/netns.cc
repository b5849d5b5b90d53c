#include "sys/netns.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/netlink.h"

namespace vk8s::sys {
namespace {

const std::string kFolder = "/run/netns";

Status check_name(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= 63 && name != "." && name != ".." &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
                     });
  if (!valid) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no name for a network namespace",
                base::printable(name, 80));
  }
  return {};
}

// Runs on a thread of its own, because a namespace belongs to a thread.
template <class Function>
Status on_own_thread(Function function) {
  Status result;
  std::thread thread([&] {
    ::pthread_setname_np(::pthread_self(), "vk8s-netns");
    result = function();
  });
  thread.join();
  return result;
}

// As `ip netns` does it: the folder is a shared mount, so that namespaces made
// later appear in mount namespaces that were split off earlier, and go with them.
Status ensure_folder() {
  VK8S_TRY(ensure_directory(kFolder));
  if (is_mount_point(kFolder)) {
    return {};
  }
  VK8S_TRY(bind_mount(kFolder, kFolder));
  return set_propagation(kFolder, MS_SHARED);
}

void remove_empty_folder() {
  const auto names = list_directory(kFolder);
  if (!names || !names->empty()) {
    return;
  }
  // Both fail harmlessly if somebody has just begun to use the folder.
  if (is_mount_point(kFolder) && ::umount2(kFolder.c_str(), UMOUNT_NOFOLLOW) != 0) {
    return;
  }
  ::rmdir(kFolder.c_str());
}

Result<UniqueFd> open_namespace(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return fail_errno(errno, "open network namespace {}", path);
  }
  return fd;
}

Status bring_up_loopback(const NetNs& space) {
  Netlink netlink = VK8S_TRY(Netlink::open_in(space));
  return netlink.set_up("lo");
}

}  // namespace

std::string NetNs::path_of(std::string_view name) { return fmt::format("{}/{}", kFolder, name); }

bool NetNs::exists(std::string_view name) {
  // A file without a mount on it is what a reboot or a half-done create leaves.
  return check_name(name) && is_mount_point(path_of(name));
}

Result<std::vector<std::string>> NetNs::list() {
  if (!sys::exists(kFolder)) {
    return std::vector<std::string>{};
  }
  return list_directory(kFolder);
}

Result<NetNs> NetNs::create(std::string_view name) {
  VK8S_TRY(check_name(name));
  if (exists(name)) {
    return fail(Errc::kAlreadyExists, "network namespace {} exists", name);
  }
  VK8S_TRY_CONTEXT(ensure_folder(), "create network namespace {}", name);
  const std::string path = path_of(name);
  if (!UniqueFd(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444))) {
    return fail_errno(errno, "create network namespace {}: {}", name, path);
  }
  const Status mounted = on_own_thread([&]() -> Status {
    if (::unshare(CLONE_NEWNET) != 0) {
      return fail_errno(errno, "create network namespace {}", name);
    }
    if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
      return fail_errno(errno, "mount network namespace on {}", path);
    }
    return {};
  });
  if (!mounted) {
    ::unlink(path.c_str());
    return tl::unexpected(mounted.error());
  }
  NetNs space = VK8S_TRY(open(name));
  VK8S_TRY(bring_up_loopback(space));
  return space;
}

Result<NetNs> NetNs::open(std::string_view name) {
  VK8S_TRY(check_name(name));
  if (!exists(name)) {
    return fail(Errc::kNotFound, "network namespace {} does not exist", name);
  }
  return NetNs(VK8S_TRY(open_namespace(path_of(name))));
}

Result<NetNs> NetNs::ensure(std::string_view name) {
  auto space = open(name);
  if (space || space.error().code() != Errc::kNotFound) {
    return space;
  }
  return create(name);
}

Result<NetNs> NetNs::current() {
  return NetNs(VK8S_TRY(open_namespace("/proc/thread-self/ns/net")));
}

Status NetNs::remove(std::string_view name) {
  VK8S_TRY(check_name(name));
  const std::string path = path_of(name);
  if (sys::exists(path)) {
    VK8S_TRY(detach_mount(path));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return fail_errno(errno, "remove network namespace {}", name);
    }
  }
  remove_empty_folder();
  return {};
}

Status NetNs::run(const std::function<Status()>& function) const {
  return on_own_thread([&]() -> Status {
    if (::setns(fd_.get(), CLONE_NEWNET) != 0) {
      return fail_errno(errno, "enter network namespace");
    }
    return function();
  });
}

Status NetNs::write_sysctl(std::string_view key, std::string_view value) const {
  const std::string path = VK8S_TRY(sysctl_path(key));
  return run([&] { return write_kernel_file(path, value); });
}

Result<std::string> NetNs::read_sysctl(std::string_view key) const {
  const std::string path = VK8S_TRY(sysctl_path(key));
  std::string value;
  const Status read = run([&]() -> Status {
    value = VK8S_TRY(read_file(path));
    return {};
  });
  if (!read) {
    return tl::unexpected(read.error());
  }
  return std::string(base::trim(value));
}

Result<std::string> sysctl_path(std::string_view key) {
  std::string path = "/proc/sys";
  const auto parts = base::split(key, '.');
  for (const std::string_view part : parts) {
    if (part.empty() || part.find('\0') != std::string_view::npos || part.starts_with('/') ||
        part.ends_with('/')) {
      return fail(Errc::kInvalidArgument, "\"{}\" is no sysctl key", base::printable(key, 100));
    }
    std::string name(part);
    std::replace(name.begin(), name.end(), '/', '.');
    if (name.find_first_not_of('.') == std::string::npos) {
      return fail(Errc::kInvalidArgument, "\"{}\" is no sysctl key", base::printable(key, 100));
    }
    path += "/" + name;
  }
  if (parts.empty()) {
    return fail(Errc::kInvalidArgument, "the sysctl key is empty");
  }
  return path;
}

}  // namespace vk8s::sys
