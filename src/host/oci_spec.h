// The OCI runtime configuration (config.json) of the host's containers.
// Source: opencontainers/runtime-spec v1.2, config.md and config-linux.md. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::host {

struct BindMount {
  std::string source;
  std::string destination;
  bool read_only = false;
  bool operator==(const BindMount&) const = default;
};

struct ContainerSpec {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string host_name;
  std::string root;        // of the file system, writable
  std::string netns_path;  // "/run/netns/vk8s-host-1"
  std::string cgroup;      // "/vk8s-host/host-1"
  std::vector<BindMount> binds;
  // A node runs containers of its own: devices, writable /sys, /proc and cgroups.
  // Else the container is as narrow as a usual one.
  bool is_node = false;
  std::vector<std::string> capabilities;
  std::uint64_t open_files = 0;  // RLIMIT_NOFILE; 0 = as it is
  std::map<std::string, std::string> annotations;
};

Json make_oci_spec(const ContainerSpec& spec);

// Names of the capabilities in a mask such as CapBnd of /proc/self/status:
// "CAP_CHOWN", ... A bit without a name here (of a newer kernel) is left out.
std::vector<std::string> capability_names(std::uint64_t mask);

// CapBnd of the text of /proc/<pid>/status.
Result<std::uint64_t> parse_bounding_set(std::string_view proc_status);

}  // namespace vk8s::host
