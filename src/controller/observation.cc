#include "controller/observation.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/ip_allocation.h"
#include "base/text.h"

namespace vk8s::controller {
namespace {

constexpr std::size_t kMaxHostAddresses = 16;

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

bool has_condition(const Json& object, std::string_view type, std::string_view status,
                   std::string* message = nullptr) {
  const JsonArray* conditions = base::get_array(object, "status.conditions");
  for (const Json& condition : conditions == nullptr ? JsonArray() : *conditions) {
    if (base::get_string(condition, "type") == type &&
        base::get_string(condition, "status") == status) {
      if (message != nullptr) {
        *message = text(condition, "message");
      }
      return true;
    }
  }
  return false;
}

// In the words of the host's scheduler and kubelet.
std::string trouble_of(const Json& pod) {
  std::string message;
  if (has_condition(pod, "PodScheduled", "False", &message)) {
    return fmt::format("not scheduled: {}", base::printable(message, 1024));
  }
  const JsonArray* containers = base::get_array(pod, "status.containerStatuses");
  for (const Json& container : containers == nullptr ? JsonArray() : *containers) {
    const std::string waiting = text(container, "state.waiting.reason");
    if (waiting.empty() || waiting == "ContainerCreating" || waiting == "PodInitializing") {
      continue;
    }
    return fmt::format("{}: {}", base::printable(waiting, 64),
                       base::printable(text(container, "state.waiting.message"), 1024));
  }
  if (text(pod, "status.phase") == "Failed") {
    return fmt::format("pod failed: {} {}", base::printable(text(pod, "status.reason"), 64),
                       base::printable(text(pod, "status.message"), 1024));
  }
  return {};
}

// The address that the pod asks for, where its network has given it others.
std::string ignored_address(const Json& pod) {
  const JsonObject* annotations = base::get_object(pod, "metadata.annotations");
  const Json* value =
      annotations == nullptr ? nullptr : annotations->if_contains(api::kIpAnnotation);
  if (value == nullptr || !value->is_string()) {
    return {};
  }
  const std::string wanted(value->get_string());
  const std::string first = text(pod, "status.podIP");
  if (first.empty() || first == wanted) {
    return {};
  }
  const JsonArray* all = base::get_array(pod, "status.podIPs");
  for (const Json& each : all == nullptr ? JsonArray() : *all) {
    if (text(each, "ip") == wanted) {
      return {};
    }
  }
  return base::printable(wanted, 45);
}

// "nvidia.com/gpu" and the like: what nodes have only if something announces it.
std::vector<std::string> extended_resources(const api::NodeSpec& node) {
  std::vector<std::string> out;
  const Json* limits = node.resources.if_contains("limits");
  const JsonObject* entries = limits == nullptr ? nullptr : limits->if_object();
  for (const auto& entry : entries == nullptr ? JsonObject() : *entries) {
    const std::string name(entry.key());
    if (name.find('/') != std::string::npos) {
      out.push_back(name);
    }
  }
  return out;
}

bool has_resource(const Json& host_node, const std::string& resource) {
  const JsonObject* allocatable = base::get_object(host_node, "status.allocatable");
  const Json* amount = allocatable == nullptr ? nullptr : allocatable->if_contains(resource);
  return amount != nullptr && amount->is_string() && amount->get_string() != "0";
}

bool has_started(const Json& pod) {
  const JsonArray* containers = base::get_array(pod, "status.containerStatuses");
  for (const Json& container : containers == nullptr ? JsonArray() : *containers) {
    if (base::find(container, "state.running") != nullptr ||
        base::find(container, "state.terminated") != nullptr ||
        base::get_int(container, "restartCount").value_or(0) > 0) {
      return true;
    }
  }
  return false;
}

// "1.37.2" of "v1.37.2" or "1.37.2-1"; "" of what is no version of Kubernetes 1.
std::string plain_version(std::string_view text) {
  text.remove_prefix(text.starts_with('v') ? 1 : 0);
  const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto parts = base::split(text.substr(0, length), '.');
  const bool is_version = parts.size() == 3 && parts[0] == "1" &&
                          std::all_of(parts.begin(), parts.end(),
                                      [](auto part) { return !part.empty() && part.size() <= 3; });
  return is_version ? std::string(text.substr(0, length)) : std::string();
}

int minor_of(std::string_view version) {
  const auto parts = base::split(version, '.');
  return parts.size() < 2 ? -1 : std::stoi(std::string(parts[1]));
}

std::string label_of(const Json& object, std::string_view name) {
  const JsonObject* labels = base::get_object(object, "metadata.labels");
  const Json* value = labels == nullptr ? nullptr : labels->if_contains({name.data(), name.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

NodeObservation observe_node(const api::NodeSpec& node, const Json* stateful_set, const Json* pod) {
  NodeObservation out;
  out.name = node.name;
  out.role = node.role;
  if (pod == nullptr) {
    return out;
  }
  out.has_pod = true;
  out.is_leaving = base::find(*pod, "metadata.deletionTimestamp") != nullptr;
  out.pod_ready = has_condition(*pod, "Ready", "True");
  out.has_started = has_started(*pod);
  out.image = text(*pod, "spec.containers.0.image");
  out.pod_uid = text(*pod, "metadata.uid");
  out.pod_ip = text(*pod, "status.podIP");
  out.ignored_ip = out.is_leaving ? std::string() : ignored_address(*pod);
  out.host_node = base::printable(text(*pod, "spec.nodeName"), 253);
  out.trouble = trouble_of(*pod);
  if (stateful_set != nullptr) {
    const std::string wanted = text(*stateful_set, "status.updateRevision");
    const std::string is = text(*pod, "metadata.labels.controller-revision-hash");
    const bool settled = base::get_int(*stateful_set, "status.observedGeneration") ==
                         base::get_int(*stateful_set, "metadata.generation");
    const bool known = settled && !wanted.empty() && !is.empty();
    out.is_outdated = known && wanted != is;
    out.is_current = known && wanted == is;
  }
  return out;
}

std::string running_version(const Settings& settings, const NodeObservation& master,
                            const Json* stateful_set) {
  const std::string by_kubelet =
      master.agent ? plain_version(master.agent->kubelet_version) : std::string();
  const api::KubernetesRelease* release =
      master.has_started ? release_of_image(settings, master.image) : nullptr;
  // Where somebody changes the images of pods.
  if (release == nullptr && master.has_started && master.is_current && stateful_set != nullptr) {
    release =
        release_of_image(settings, text(*stateful_set, "spec.template.spec.containers.0.image"));
  }
  const std::string by_image(release == nullptr ? "" : release->version);
  return minor_of(by_image) > minor_of(by_kubelet) ? by_image : by_kubelet;
}

std::string reached_version(const std::string& before, const std::string& seen) {
  const bool is_older = minor_of(plain_version(before)) > minor_of(plain_version(seen));
  return seen.empty() || is_older ? before : seen;
}

std::string missing_resources(const api::Vk8s& vk8s, const World& world) {
  const std::vector<World::Object> hosts = world.list(kube::resources::kNode, "");
  std::string out;
  const auto complain = [&out](const std::string& words) {
    out += out.empty() ? words : "; " + words;
  };
  for (const api::NodeSpec& node : vk8s.spec.nodes) {
    for (const std::string& resource : extended_resources(node)) {
      const bool exists = std::any_of(hosts.begin(), hosts.end(), [&](const auto& host) {
        return has_resource(*host, resource);
      });
      if (!exists) {
        complain(fmt::format("node {}: no node of the host has {}", node.name, resource));
      }
    }
    const auto gpu = vk8s.metadata.annotations.find(node.name);
    if (gpu != vk8s.metadata.annotations.end() &&
        std::none_of(hosts.begin(), hosts.end(), [&](const auto& host) {
          return label_of(*host, api::kGpuTypeLabel) == gpu->second;
        })) {
      complain(fmt::format("node {}: no node of the host has the label {}={}", node.name,
                           api::kGpuTypeLabel, base::printable(gpu->second, 64)));
    }
  }
  return out;
}

std::string host_facts(const World& world) {
  std::string out;
  for (const std::string& address : host_addresses(world)) {
    out += address + "\n";
  }
  for (const World::Object& node : world.list(kube::resources::kNode, "")) {
    out += fmt::format("{} {} {}", text(*node, "metadata.name"), text(*node, "spec.podCIDR"),
                       label_of(*node, api::kGpuTypeLabel));
    const JsonObject* allocatable = base::get_object(*node, "status.allocatable");
    for (const auto& [name, amount] : allocatable == nullptr ? JsonObject() : *allocatable) {
      if (std::string_view(name).find('/') != std::string_view::npos) {
        out += fmt::format(" {}={}", std::string_view(name), base::to_string(amount));
      }
    }
    out += "\n";
  }
  return out;
}

std::vector<std::string> host_addresses(const World& world) {
  std::vector<std::string> out;
  for (const World::Object& node : world.list(kube::resources::kNode, "")) {
    const JsonArray* addresses = base::get_array(*node, "status.addresses");
    if (addresses == nullptr || !has_condition(*node, "Ready", "True")) {
      continue;
    }
    for (const Json& address : *addresses) {
      if (base::get_string(address, "type") == "InternalIP") {
        out.push_back(text(address, "address"));
        break;
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.resize(std::min(out.size(), kMaxHostAddresses));
  return out;
}

std::vector<World::Object> objects_of_cluster(const World& world, const kube::Resource& resource,
                                              const kube::ObjectKey& cluster) {
  std::vector<World::Object> out = world.list(resource, cluster.namespace_name);
  std::erase_if(out, [&](const World::Object& object) {
    return base::get_string(*object, "metadata.labels.clusterName") != cluster.name;
  });
  return out;
}

}  // namespace vk8s::controller
