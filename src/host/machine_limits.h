// Limits of the machine that all nested nodes share. They are raised while any
// embedded host is up and go back to what they were when the last one is purged.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace vk8s::host {

struct LimitFiles {
  std::string sysctl_root = "/proc/sys";
  // Original values and users. In /run, because a reboot undoes both.
  std::string state_file = "/run/vk8s-machine-limits.json";
};

class MachineLimits {
 public:
  explicit MachineLimits(LimitFiles files = {});

  // Raises what is lower than needed; never lowers. Returns what could not be
  // raised, for a warning: a container's /proc/sys may be read-only.
  Result<std::vector<std::string>> raise(const std::string& user);
  // With the last user gone, restores what still has the value that was set.
  Status release(const std::string& user);

  // Key -> least value.
  static const std::map<std::string, long long>& needed();

 private:
  LimitFiles files_;
};

}  // namespace vk8s::host
