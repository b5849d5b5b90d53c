// Network namespaces, named as `ip netns` names them: bind mounts in /run/netns.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vk8s::sys {

// A descriptor of a network namespace; a named one outlives its NetNs. The
// functions are safe to call from any thread, and leave the caller's own
// namespace as it is: what must happen inside happens on a short-lived thread.
class NetNs {
 public:
  // Names: 1 to 63 characters of [A-Za-z0-9_.-], not "." or "..".
  static Result<NetNs> create(std::string_view name);  // kAlreadyExists; its lo is up
  static Result<NetNs> open(std::string_view name);    // kNotFound
  static Result<NetNs> ensure(std::string_view name);  // open, else create
  // The namespace of the calling thread.
  static Result<NetNs> current();
  // Takes the name away: the namespace ends with its last process and descriptor.
  // Absent is no error. The folder /run/netns goes when it has become empty.
  static Status remove(std::string_view name);
  static bool exists(std::string_view name);
  static Result<std::vector<std::string>> list();
  static std::string path_of(std::string_view name);  // "/run/netns/NAME"

  int fd() const { return fd_.get(); }

  // Runs function inside, on a thread of its own, and waits for it. Sockets it
  // opens stay in this namespace for their life, also when used elsewhere.
  Status run(const std::function<Status()>& function) const;

  // "net.ipv4.ip_forward"; only net.* belongs to a network namespace.
  Status write_sysctl(std::string_view key, std::string_view value) const;
  Result<std::string> read_sysctl(std::string_view key) const;

 private:
  explicit NetNs(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// "net.ipv4.ip_forward" -> "/proc/sys/net/ipv4/ip_forward"; a '/' in the key
// stands for a dot inside a part (sysctl(8)). Refuses ".." and empty parts.
Result<std::string> sysctl_path(std::string_view key);

}  // namespace vk8s::sys
