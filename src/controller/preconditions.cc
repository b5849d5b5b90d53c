#include "controller/preconditions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <tuple>

#include "base/cidr.h"
#include "controller/observation.h"
#include "controller/pod_cidrs.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Nobody tells a cluster when another's StatefulSet has gone.
constexpr std::chrono::seconds kRetryTaken{10};

Problem problem_of(std::string_view reason, const Error& error) {
  return {api::phase::kFail, std::string(reason), error.message()};
}

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// "1.37" of "1.37.2" as a number; nothing if it is none.
std::optional<int> minor_of(std::string_view version) {
  int major = 0;
  int minor = 0;
  const std::string text(version);
  return std::sscanf(text.c_str(), "%d.%d", &major, &minor) == 2 ? std::optional(minor)
                                                                 : std::nullopt;
}

// Of the catalogue's versions the one that runs, or what comes nearest to it.
api::KubernetesRelease running_release(std::string_view version) {
  for (const api::KubernetesRelease& release : api::releases()) {
    if (minor_of(release.minor) == minor_of(version)) {
      return release;
    }
  }
  return api::releases().front();
}

// etcd's data of a newer version is not an older one's, and Kubernetes supports
// upgrades by one minor version only.
std::optional<Problem> version_conflict(const api::Vk8s& vk8s,
                                        const api::KubernetesRelease& release) {
  const auto from = minor_of(vk8s.status.version);
  const auto to = minor_of(release.minor);
  if (!from || !to || *from == *to || *from + 1 == *to) {
    return std::nullopt;
  }
  return Problem{api::phase::kFail,
                 std::string(reason::kUnsupportedVersion),
                 fmt::format("spec.kubernetes.version {}: the cluster runs {}, and Kubernetes goes "
                             "up one minor version at a time and never down: set a version it can "
                             "go to, or create another cluster",
                             release.minor, vk8s.status.version),
                 {}};
}

// Who of two was first: by creation, then by name.
bool is_earlier(const Json& other, const api::ObjectMeta& mine) {
  return std::make_tuple(text(other, "metadata.creationTimestamp"), text(other, "metadata.name")) <
         std::make_tuple(mine.creation_timestamp, mine.name);
}

Problem name_taken(const api::Vk8s& vk8s, const std::string& node, const std::string& by) {
  return {api::phase::kFail, std::string(reason::kNodeNameConflict),
          fmt::format("node name \"{}\" is taken by Vk8s {}/{}: choose another, such as {}-{}",
                      node, vk8s.metadata.namespace_name, by, vk8s.metadata.name, node),
          kRetryTaken};
}

// The Vk8s that this StatefulSet belongs to; "" = none.
std::string owner_of(const Json& stateful_set) {
  const JsonArray* owners = base::get_array(stateful_set, "metadata.ownerReferences");
  for (const Json& owner : owners == nullptr ? JsonArray() : *owners) {
    if (text(owner, "kind") == "Vk8s" && base::get_bool(owner, "controller").value_or(false)) {
      return text(owner, "name");
    }
  }
  return {};
}

World::Object set_of(const api::Vk8s& vk8s, const std::string& node, const World& world) {
  return world.get(kube::resources::kStatefulSet, {vk8s.metadata.namespace_name, node});
}

// Node names are names of StatefulSets, so two clusters cannot share one. It is whose
// StatefulSet is there; where there is none, the earlier cluster's.
std::optional<Problem> node_name_conflict(const api::Vk8s& vk8s, const World& world) {
  std::set<std::string> mine;
  for (const api::NodeSpec& node : vk8s.spec.nodes) {
    const World::Object set = set_of(vk8s, node.name, world);
    if (!set) {
      continue;
    }
    if (is_owned_by(*set, vk8s.metadata.uid)) {
      mine.insert(node.name);
    } else if (const std::string owner = owner_of(*set);
               !owner.empty() && owner != vk8s.metadata.name) {
      return name_taken(vk8s, node.name, owner);
    }
  }
  for (const World::Object& other :
       world.list(kube::resources::kVk8s, vk8s.metadata.namespace_name)) {
    const JsonArray* nodes = base::get_array(*other, "spec.nodes");
    if (nodes == nullptr || text(*other, "metadata.uid") == vk8s.metadata.uid ||
        !is_earlier(*other, vk8s.metadata)) {
      continue;
    }
    for (const Json& node : *nodes) {
      const std::string name = text(node, "name");
      if (vk8s.find_node(name) != nullptr && !mine.contains(name)) {
        return name_taken(vk8s, name, text(*other, "metadata.name"));
      }
    }
  }
  return std::nullopt;
}

// The host's networks as far as they are known: its nodes' addresses and pods, and
// its own API server's Service, which stands for the range of Services.
std::vector<Cidr> host_networks(const Settings& settings, const World& world) {
  std::vector<Cidr> out;
  const auto add_address = [&out](const std::string& text_address) {
    if (const auto address = IpAddress::parse(text_address)) {
      out.push_back(*Cidr::create(*address, address->bits()));
    }
  };
  for (const std::string& address : host_addresses(world)) {
    add_address(address);
  }
  add_address(settings.host_api_address);
  for (const World::Object& node : world.list(kube::resources::kNode, "")) {
    if (const auto pods = Cidr::parse(text(*node, "spec.podCIDR"))) {
      out.push_back(*pods);
    }
  }
  return out;
}

// A network inside that holds an address of the host could not reach that address.
std::optional<Problem> network_conflict(const Cluster& cluster, const World& world) {
  const auto& spec = cluster.vk8s.spec;
  for (const auto& [field, network] : {std::pair("podNetworkCidr", spec.pod_network_cidr),
                                       std::pair("serviceCidr", spec.service_cidr)}) {
    const auto cidr = Cidr::parse(network);
    if (!cidr) {
      return problem_of(reason::kInvalidSpec,
                        Error(cidr.error()).context("spec.kubernetes.{}", field));
    }
    for (const Cidr& of_host : host_networks(cluster.settings, world)) {
      if (cidr->overlaps(of_host)) {
        return Problem{api::phase::kFail,
                       std::string(reason::kNetworkConflict),
                       fmt::format("spec.kubernetes.{} {} overlaps {} of the host: create the "
                                   "cluster with another network",
                                   field, network, of_host.to_string()),
                       {}};
      }
    }
  }
  return std::nullopt;
}

// An installation has the node images it was given, unless a registry has them all.
Status check_installed(const Cluster& cluster) {
  const auto& images = cluster.settings.vnode_images;
  const auto& nodes = cluster.vk8s.spec.nodes;
  const std::string minor(cluster.release.minor);
  if (images.empty() || images.contains(minor) || !cluster.settings.image_registry.empty() ||
      std::none_of(nodes.begin(), nodes.end(),
                   [](const auto& node) { return node.image.empty(); })) {
    return {};
  }
  std::vector<std::string_view> installed;
  for (const auto& [version, image] : images) {
    installed.push_back(version);
  }
  return fail(
      Errc::kUnsupported,
      "spec.kubernetes.version: Kubernetes {0} is not installed here: use one of {1}, or "
      "ask the administrator for it (--vnode-image {0}=REFERENCE; quickstart.sh --version {0})",
      minor, fmt::join(installed, ", "));
}

std::map<std::string, std::string> assigned_pod_cidrs(const std::vector<World::Object>& sets) {
  std::map<std::string, std::string> out;
  for (const World::Object& set : sets) {
    const JsonObject* annotations = base::get_object(*set, "metadata.annotations");
    const Json* cidr =
        annotations == nullptr
            ? nullptr
            : annotations->if_contains({kPodCidrAnnotation.data(), kPodCidrAnnotation.size()});
    if (cidr != nullptr && cidr->is_string()) {
      out[text(*set, "metadata.name")] = std::string(cidr->get_string());
    }
  }
  return out;
}

}  // namespace

OrProblem<Cluster> prepare_cluster(const api::Vk8s& vk8s, const Settings& settings,
                                   const World& world) {
  const auto release = api::resolve_release(vk8s.spec.kubernetes_version, vk8s.master().image);
  if (!release) {
    return tl::unexpected<Problem>(problem_of(reason::kUnsupportedVersion, release.error()));
  }
  if (auto conflict = version_conflict(vk8s, **release)) {
    return tl::unexpected<Problem>(*std::move(conflict));
  }
  Cluster out;
  out.vk8s = vk8s;
  out.release = **release;
  out.settings = settings;
  out.paused = vk8s.wants_pause() && !refuse_pause(vk8s);
  if (const Status installed = check_installed(out); !installed) {
    return tl::unexpected<Problem>(problem_of(reason::kUnsupportedVersion, installed.error()));
  }
  if (const Status allowed = check_policy(out); !allowed) {
    return tl::unexpected<Problem>(problem_of(reason::kNotAllowed, allowed.error()));
  }
  if (auto conflict = node_name_conflict(vk8s, world)) {
    return tl::unexpected<Problem>(*std::move(conflict));
  }
  const kube::ObjectKey key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  auto cidrs = assign_pod_cidrs(
      vk8s.spec, assigned_pod_cidrs(objects_of_cluster(world, kube::resources::kStatefulSet, key)));
  if (!cidrs) {
    return tl::unexpected<Problem>(problem_of(reason::kInvalidSpec, cidrs.error()));
  }
  out.pod_cidrs = *std::move(cidrs);
  out.host.node_addresses = host_addresses(world);
  if (auto conflict = network_conflict(out, world)) {
    return tl::unexpected<Problem>(*std::move(conflict));
  }
  return out;
}

Cluster freeze_cluster(const api::Vk8s& vk8s, const Settings& settings, const World& world) {
  Cluster out;
  out.vk8s = vk8s;
  out.settings = settings;
  out.frozen = true;
  out.paused = vk8s.wants_pause() && !refuse_pause(vk8s);
  out.host.node_addresses = host_addresses(world);
  out.release = running_release(vk8s.status.version);
  std::vector<World::Object> sets;
  std::erase_if(out.vk8s.spec.nodes, [&](const api::NodeSpec& node) {
    const World::Object set = set_of(vk8s, node.name, world);
    const bool is_mine = set && is_owned_by(*set, vk8s.metadata.uid);
    if (is_mine) {
      sets.push_back(set);
    }
    return !is_mine && node.role != api::NodeRole::kMaster;
  });
  out.pod_cidrs = assigned_pod_cidrs(sets);
  return out;
}

std::optional<Problem> reason_to_wait(const api::Vk8s& vk8s) {
  const auto network = vk8s.metadata.annotations.find(std::string(api::kNetworkAnnotation));
  if (network == vk8s.metadata.annotations.end() || network->second != "false") {
    return std::nullopt;
  }
  return Problem{
      api::phase::kWaitingNetwork,
      std::string(reason::kWaitingForNetwork),
      fmt::format("annotation {} is \"false\": waiting until it is not", api::kNetworkAnnotation),
      {}};
}

std::optional<Problem> refuse_pause(const api::Vk8s& vk8s) {
  const auto forced = vk8s.metadata.annotations.find(std::string(api::kForcePauseAnnotation));
  const bool is_forced = forced != vk8s.metadata.annotations.end() && forced->second == "true";
  if (!vk8s.wants_pause() || !vk8s.master().storage.ephemeral || is_forced) {
    return std::nullopt;
  }
  return Problem{{},
                 std::string(reason::kPauseRefused),
                 fmt::format("not paused: node {} has no volume, so the cluster's state would be "
                             "lost; annotate {}=true to pause all the same",
                             vk8s.master().name, api::kForcePauseAnnotation),
                 {}};
}

}  // namespace vk8s::controller
