#include "e2e/traces.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>

#include "base/text.h"
#include "e2e/processes.h"
#include "sys/netlink.h"

namespace vk8s::e2e {
namespace {

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// ".../pod<uid>/<container>/...": the container, or "".
std::string container_of(std::string_view cgroup, std::string_view uid) {
  const std::size_t at = cgroup.find(uid);
  if (at == std::string_view::npos) {
    return {};
  }
  std::string_view rest = cgroup.substr(at + uid.size());
  rest.remove_prefix(std::min<std::size_t>(1, rest.size()));
  return std::string(rest.substr(0, rest.find('/')));
}

// All below it; one that goes meanwhile is no error.
void for_each_folder(const std::filesystem::path& top,
                     const std::function<void(const std::filesystem::path&)>& see) {
  std::error_code error;
  std::filesystem::directory_iterator at(top, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    std::error_code gone;
    if (at->is_directory(gone) && !at->is_symlink(gone)) {
      see(at->path());
      for_each_folder(at->path(), see);
    }
  }
}

// Calls `see` with each line of every mount namespace that a process is in.
void for_each_mount(const std::function<void(const Process&, std::string_view)>& see) {
  std::set<std::string> seen;
  for (const Process& process : list_processes()) {
    if (!seen.insert(namespace_of(process.pid, "mnt")).second) {
      continue;
    }
    const std::string all =
        sys::read_file(fmt::format("/proc/{}/mountinfo", process.pid)).value_or("");
    for (const std::string_view line : base::split(all, '\n')) {
      see(process, line);
    }
  }
}

void append(std::vector<std::string>& all, std::vector<std::string> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Result<Traces> Traces::of(const Host& host, const std::string& namespace_name,
                          const std::string& cluster) {
  const std::string selector = "clusterName=" + cluster;
  const Json pods = VK8S_TRY(host.kubectl().get({"pods", "-n", namespace_name, "-l", selector}));
  const Json claims = VK8S_TRY(host.kubectl().get({"pvc", "-n", namespace_name, "-l", selector}));
  Traces out;
  const JsonArray* items = base::get_array(pods, "items");
  for (const Json& pod : items == nullptr ? JsonArray() : *items) {
    VK8S_TRY_CONTEXT(out.add_pod(host, pod), "pod {}", text(pod, "metadata.name"));
  }
  items = base::get_array(claims, "items");
  for (const Json& claim : items == nullptr ? JsonArray() : *items) {
    out.add_claim(host, claim);
  }
  return out;
}

Status Traces::add_pod(const Host& host, const Json& pod) {
  const std::string uid = text(pod, "metadata.uid");
  marks_.insert(uid);
  folders_.insert(
      host.volume_folder(text(pod, "spec.nodeName")).append("/kubelet/pods/").append(uid));
  bool runs = false;
  std::set<std::string> networks;
  for (const Process& process : list_processes()) {
    for (const std::string& cgroup : process.cgroups) {
      if (std::string container = container_of(cgroup, uid); !container.empty()) {
        runs = true;
        marks_.insert(std::move(container));
        networks.insert(namespace_of(process.pid, "net"));
      }
    }
  }
  const bool has_network = add_networks(networks);
  if (text(pod, "status.phase") != "Running") {
    return {};
  }
  if (!runs) {
    return fail(Errc::kNotFound, "no process of this machine is in a cgroup of pod {}", uid);
  }
  if (!has_network) {
    return fail(Errc::kNotFound, "no mount of this machine holds the network of pod {}", uid);
  }
  return add_interface(host, text(pod, "status.podIP"));
}

// By the files that hold them: the number of a network namespace that has ended is soon another's.
bool Traces::add_networks(const std::set<std::string>& networks) {
  bool found = false;
  for_each_mount([&](const Process&, std::string_view line) {
    // "36 35 0:4 net:[4026532178] /run/netns/cni-<uuid> rw ..."
    const std::vector<std::string_view> words = base::split(line, ' ');
    if (words.size() > 4 && networks.contains(std::string(words[3]))) {
      marks_.insert(std::filesystem::path(words[4]).filename().string());
      found = true;
    }
  });
  return found;
}

Status Traces::add_interface(const Host& host, const std::string& pod_address) {
  for (const std::string& name : host.network_namespaces()) {
    const sys::NetNs space = VK8S_TRY(sys::NetNs::open(name));
    sys::Netlink netlink = VK8S_TRY(sys::Netlink::open_in(space));
    for (const sys::Route& route : VK8S_TRY(netlink.list_routes())) {
      // Another node's route to it has a gateway.
      if (route.destination == pod_address + "/32" && route.gateway.empty()) {
        interfaces_.insert({name, route.link});
        return {};
      }
    }
  }
  return fail(Errc::kNotFound, "no node of the host has an interface for {}", pod_address);
}

// As the host's own provisioner names it.
void Traces::add_claim(const Host& host, const Json& claim) {
  const std::string volume = text(claim, "spec.volumeName");
  for (const std::string& node : host.node_names()) {
    if (!volume.empty()) {
      folders_.insert(host.volume_folder(node).append("/volumes/").append(volume));
    }
  }
}

bool Traces::has_mark(std::string_view words) const {
  return std::any_of(marks_.begin(), marks_.end(), [&](const std::string& mark) {
    return words.find(mark) != std::string_view::npos;
  });
}

std::vector<std::string> Traces::left() const {
  // Last the one that takes long: it is asked when all else is gone.
  std::vector<std::string> out = processes();
  append(out, mounts());
  append(out, interfaces());
  append(out, folders());
  if (out.empty()) {
    out = cgroups();
  }
  return out;
}

std::vector<std::string> Traces::processes() const {
  std::vector<std::string> out;
  for (const Process& process : list_processes()) {
    if (has_mark(process.command_line) ||
        std::any_of(process.cgroups.begin(), process.cgroups.end(),
                    [this](const std::string& path) { return has_mark(path); })) {
      out.push_back(fmt::format("process {} {}", process.pid, process.command_line));
    }
  }
  return out;
}

std::vector<std::string> Traces::mounts() const {
  std::vector<std::string> out;
  for_each_mount([&](const Process& process, std::string_view line) {
    if (has_mark(line)) {
      out.push_back(fmt::format("mount of {} ({}): {}", process.name, process.pid, line));
    }
  });
  return out;
}

std::vector<std::string> Traces::interfaces() const {
  std::vector<std::string> out;
  for (const Interface& interface : interfaces_) {
    const auto space = sys::NetNs::open(interface.network_namespace);
    auto netlink = space ? sys::Netlink::open_in(*space) : tl::unexpected(space.error());
    const auto link = netlink ? netlink->get_link(interface.name) : tl::unexpected(netlink.error());
    if (link || link.error().code() != Errc::kNotFound) {
      out.push_back(fmt::format("interface {} in {}", interface.name, interface.network_namespace));
    }
  }
  return out;
}

std::vector<std::string> Traces::folders() const {
  std::vector<std::string> out;
  for (const std::string& folder : folders_) {
    if (sys::exists(folder)) {
      out.push_back("folder " + folder);
    }
  }
  return out;
}

std::vector<std::string> Traces::cgroups() const {
  std::vector<std::string> out;
  for_each_folder("/sys/fs/cgroup", [&](const std::filesystem::path& folder) {
    if (has_mark(folder.filename().string())) {
      out.push_back("cgroup " + folder.string());
    }
  });
  return out;
}

}  // namespace vk8s::e2e
