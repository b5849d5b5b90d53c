#include "agent/node_setup.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <limits>
#include <memory>
#include <thread>

#include "base/cidr.h"
#include "base/text.h"
#include "sys/cgroup.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace vk8s::agent {
namespace {

constexpr int kVxlanOverheadBytes = 50;

Status prepare_folders(const NodePaths& paths) {
  if (!sys::is_mount_point("/run")) {
    VK8S_TRY(sys::mount_file_system("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755"));
  }
  for (const char* folder : {"etcd", "pki"}) {
    VK8S_TRY(sys::ensure_directory(fmt::format("{}/{}", paths.state, folder), 0700));
  }
  for (const char* folder : {"containerd", "kubelet", "log/vk8s", "volumes"}) {
    VK8S_TRY(sys::ensure_directory(fmt::format("{}/{}", paths.state, folder)));
  }
  VK8S_TRY(sys::ensure_directory(paths.run, 0755));
  // State lies on the node's volume: overlay on a container's overlay fails.
  const std::array<std::pair<std::string, std::string>, 3> binds = {
      std::pair{paths.state + "/containerd", "/var/lib/containerd"},
      std::pair{paths.state + "/kubelet", "/var/lib/kubelet"},
      std::pair{paths.state + "/log", "/var/log"}};
  for (const auto& [source, target] : binds) {
    if (!sys::is_mount_point(target)) {
      VK8S_TRY(sys::bind_mount(source, target));
    }
  }
  return {};
}

// kubelet names the machine by it; it stays the same as long as the volume.
Status ensure_machine_id(const NodePaths& paths) {
  const std::string kept = paths.state + "/machine-id";
  auto id = sys::read_file(kept);
  if (!id) {
    id = VK8S_TRY(sys::read_file("/proc/sys/kernel/random/uuid"));
    std::erase(*id, '-');
    VK8S_TRY(sys::write_file(kept, *id, {.durable = true}));
  }
  return sys::write_file("/etc/machine-id", *id);
}

// Tries a real overlay mount on the state folder's file system.
bool overlay_works(const NodePaths& paths) {
  const std::string base = paths.state + "/containerd/.overlay-probe";
  for (const char* folder : {"lower", "upper", "work", "merged"}) {
    if (!sys::ensure_directory(fmt::format("{}/{}", base, folder))) {
      return false;
    }
  }
  const Status mounted = sys::mount_file_system(
      "overlay", base + "/merged", 0,
      fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", base), "overlay");
  if (mounted) {
    [[maybe_unused]] const Status detached = sys::detach_mount(base + "/merged");
  }
  [[maybe_unused]] const Status removed = sys::remove_tree(base);
  return mounted.has_value();
}

struct NodeAddress {
  std::string ip;
  std::string interface_name;
};

// The first IPv4 address that is neither loopback nor link-local.
Result<NodeAddress> find_node_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return fail_errno(errno, "list the network interfaces");
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, &::freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET ||
        (entry->ifa_flags & IFF_LOOPBACK) != 0) {
      continue;
    }
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    const auto ip = IpAddress::parse(text.data());
    if (ip && !ip->is_link_local()) {
      return NodeAddress{text.data(), entry->ifa_name};
    }
  }
  return fail(Errc::kUnavailable, "no network interface has an IPv4 address: the pod needs one");
}

Result<int> interface_mtu(const std::string& name) {
  const std::string text = VK8S_TRY(sys::read_file(fmt::format("/sys/class/net/{}/mtu", name)));
  int mtu = 0;
  std::from_chars(text.data(), text.data() + text.size(), mtu);
  return mtu;
}

bool kernel_at_least(int major, int minor) {
  utsname name{};
  int running_major = 0;
  int running_minor = 0;
  if (::uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &running_major, &running_minor) != 2) {
    return false;
  }
  return std::pair(running_major, running_minor) >= std::pair(major, minor);
}

}  // namespace

std::vector<std::string> parse_name_servers(std::string_view resolv_conf) {
  std::vector<std::string> servers;
  for (const std::string_view line : base::split(resolv_conf, '\n')) {
    constexpr std::string_view kKey = "nameserver";
    const std::string_view text = base::trim(line);
    if (!text.starts_with(kKey)) {
      continue;
    }
    const std::string_view value = base::trim(text.substr(kKey.size()));
    const auto address = IpAddress::parse(value);
    // CoreDNS forwarding to a loopback address would ask itself.
    if (address && !address->is_loopback() && servers.size() < 3) {
      servers.emplace_back(value);
    }
  }
  return servers;
}

Result<std::int64_t> parse_memory_total(std::string_view meminfo) {
  constexpr std::string_view kKey = "MemTotal:";
  for (const std::string_view line : base::split(meminfo, '\n')) {
    if (line.starts_with(kKey)) {
      const std::string_view value = base::trim(line.substr(kKey.size()));
      std::int64_t kibibytes = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), kibibytes);
      if (parsed.ec == std::errc() && kibibytes >= 0 &&
          kibibytes <= std::numeric_limits<std::int64_t>::max() / 1024) {
        return kibibytes * 1024;
      }
    }
  }
  return fail(Errc::kInvalidArgument, "/proc/meminfo has no MemTotal");
}

Status prepare_node(const NodePaths& paths, const Log& log) {
  // Inner mounts are shared among the node's own containers; the host is no peer.
  VK8S_TRY(sys::set_propagation("/", MS_SHARED));
  VK8S_TRY_CONTEXT(sys::take_cgroup_root(), "take the pod's cgroup as root");
  VK8S_TRY(prepare_folders(paths));
  VK8S_TRY(ensure_machine_id(paths));
  const Status forwarding = sys::write_kernel_file("/proc/sys/net/ipv4/ip_forward", "1");
  if (!forwarding) {
    log.warning("IP forwarding cannot be set: pods reach no Service unless it is on already",
                {{"error", forwarding.error().message()}});
  }
  return {};
}

Result<NodeFacts> find_node_facts(const NodePaths& paths) {
  NodeFacts facts;
  const NodeAddress address = VK8S_TRY(find_node_address());
  facts.node_ip = address.ip;
  facts.pod_mtu = VK8S_TRY(interface_mtu(address.interface_name)) - kVxlanOverheadBytes;
  facts.snapshotter = overlay_works(paths) ? "overlayfs" : "native";
  facts.can_raise_oom_score = ::prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1;
  const std::string meminfo = VK8S_TRY(sys::read_file("/proc/meminfo"));
  facts.machine_memory_bytes = VK8S_TRY(parse_memory_total(meminfo));
  facts.machine_cpus = static_cast<int>(std::thread::hardware_concurrency());
  facts.nftables_proxy = kernel_at_least(5, 13);
  if (const auto resolv_conf = sys::read_file("/etc/resolv.conf")) {
    facts.name_servers = parse_name_servers(*resolv_conf);
  }
  return facts;
}

Result<std::vector<std::string>> component_cgroup() { return sys::ensure_cgroup("vk8s"); }

}  // namespace vk8s::agent
