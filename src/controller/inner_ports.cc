#include "controller/inner_ports.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

// How long an answer counts: the pods behind a Service may be others tomorrow.
constexpr seconds kFresh{60};
constexpr seconds kFreshTrouble{5};
constexpr std::string_view kManagedBy = "app.kubernetes.io/managed-by";

// "<namespace>/<name>", as the schema has checked.
kube::ObjectKey target_of(const api::PortSpec& port) {
  const std::size_t slash = port.service.find('/');
  return {port.service.substr(0, slash), port.service.substr(slash + 1)};
}

std::string wanted_ports(const Cluster& cluster) {
  std::string out;
  for (const api::PortSpec& port : cluster.vk8s.spec.ports) {
    if (!port.service.empty()) {
      out += fmt::format("{} {} {} {}\n", port.name, port.protocol, port.port, port.service);
    }
  }
  return out;
}

std::optional<int> port_number(const Json& object, std::string_view path) {
  const auto number = base::get_int(object, path);
  return number && *number >= 1 && *number <= 65535 ? std::optional(static_cast<int>(*number))
                                                    : std::nullopt;
}

const Json* port_named_by(const api::PortSpec& wanted, const Json& target) {
  const JsonArray* ports = base::get_array(target, "spec.ports");
  if (ports == nullptr || ports->empty()) {
    return nullptr;
  }
  for (const Json& port : *ports) {
    if (base::get_int(port, "port") == wanted.port) {
      return &port;
    }
  }
  return ports->size() == 1 && port_number(ports->front(), "port") ? &ports->front() : nullptr;
}

}  // namespace

Result<Json> inner_port_service(const api::PortSpec& wanted, const Json& target) {
  const JsonObject* selector = base::get_object(target, "spec.selector");
  if (selector == nullptr || selector->empty()) {
    return fail(
        Errc::kInvalidArgument,
        "spec.ports[{}].service {}: that Service has no selector, so nobody knows its pods: "
        "name one that has, or use targetPort",
        wanted.name, wanted.service);
  }
  const Json* port = port_named_by(wanted, target);
  if (port == nullptr) {
    return fail(
        Errc::kInvalidArgument,
        "spec.ports[{}].service {}: that Service has not exactly one port, and none is {}: set "
        "port to one of them",
        wanted.name, wanted.service, wanted.port);
  }
  JsonObject inner_port;
  inner_port["name"] = wanted.name;
  inner_port["protocol"] = wanted.protocol;
  inner_port["port"] = port_number(*port, "port").value_or(wanted.port);
  if (const Json* to = base::find(*port, "targetPort"); to != nullptr && !to->is_structured()) {
    inner_port["targetPort"] = *to;
  }
  JsonObject spec;
  spec["type"] = "NodePort";
  spec["selector"] = *selector;
  spec["ports"] = JsonArray{std::move(inner_port)};
  JsonObject metadata;
  metadata["namespace"] = target_of(wanted).namespace_name;
  metadata["name"] = "vk8s-port-" + wanted.name;
  metadata["labels"] = JsonObject{{kManagedBy, Json(kFieldManager)}};
  JsonObject out;
  out["apiVersion"] = "v1";
  out["kind"] = "Service";
  out["metadata"] = std::move(metadata);
  out["spec"] = std::move(spec);
  return out;
}

std::optional<int> inner_node_port(const Json& service) {
  return port_number(service, "spec.ports.0.nodePort");
}

InnerNodePorts open_inner_ports(const api::Vk8sSpec& spec, const Json* ports_service) {
  InnerNodePorts out;
  const JsonArray* open =
      ports_service == nullptr ? nullptr : base::get_array(*ports_service, "spec.ports");
  for (const Json& one : open == nullptr ? JsonArray() : *open) {
    const auto name = base::get_string(one, "name");
    const auto target = base::get_int(one, "targetPort");
    for (const api::PortSpec& port : spec.ports) {
      if (name == port.name && target && !port.service.empty()) {
        out[port.name] = static_cast<int>(*target);
      }
    }
  }
  return out;
}

InnerPorts::Outcome InnerPorts::ensure(const Cluster& cluster) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  const std::string wanted = wanted_ports(cluster);
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(key);
    if (known == known_.end() && wanted.empty()) {
      return {};
    }
    if (known != known_.end() && known->second.wanted == wanted && now_() < known->second.until) {
      return known->second.outcome;
    }
  }
  Outcome outcome = look(cluster);
  const std::lock_guard lock(mutex_);
  known_[key] = {wanted, outcome, now_() + (outcome.trouble.empty() ? kFresh : kFreshTrouble)};
  return outcome;
}

void InnerPorts::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  known_.erase(cluster);
}

// Inner Services of ports that the spec no longer has.
void InnerPorts::remove_others(const kube::ObjectKey& cluster,
                               const std::set<kube::ObjectKey>& wanted) {
  const auto list_ours = [](kube::Client& client, kube::Client::Callback done) {
    kube::ListOptions options;
    options.label_selector = fmt::format("{}={}", kManagedBy, kFieldManager);
    return client.list(kube::resources::kService, "", options, std::move(done));
  };
  const auto found = std::move(inner_.run(cluster, {list_ours}).front());
  const JsonArray* services = found ? base::get_array(*found, "items") : nullptr;
  std::vector<BatchClient::Request> removals;
  for (const Json& service : services == nullptr ? JsonArray() : *services) {
    kube::ObjectKey key{std::string(base::get_string(service, "metadata.namespace").value_or("")),
                        std::string(base::get_string(service, "metadata.name").value_or(""))};
    if (!wanted.contains(key)) {
      removals.push_back(remove_request(kube::resources::kService, std::move(key), {}));
    }
  }
  if (!removals.empty()) {
    inner_.run(cluster, std::move(removals));
  }
}

InnerPorts::Outcome InnerPorts::look(const Cluster& cluster) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  std::vector<const api::PortSpec*> ports;
  std::vector<BatchClient::Request> gets;
  for (const api::PortSpec& port : cluster.vk8s.spec.ports) {
    if (!port.service.empty()) {
      ports.push_back(&port);
      gets.push_back(get_request(kube::resources::kService, target_of(port)));
    }
  }
  Outcome out;
  const auto complain = [&out](std::string words) {
    out.trouble = out.trouble.empty() ? std::move(words) : out.trouble;
  };
  const auto targets = inner_.run(key, std::move(gets));
  std::set<kube::ObjectKey> wanted;
  std::vector<const api::PortSpec*> applied;
  std::vector<BatchClient::Request> applies;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (!targets[i]) {
      complain(fmt::format("spec.ports[{}].service {}: {}", ports[i]->name, ports[i]->service,
                           targets[i].error().code() == Errc::kNotFound
                               ? "there is no such Service inside yet"
                               : targets[i].error().message()));
      continue;
    }
    auto service = inner_port_service(*ports[i], *targets[i]);
    if (!service) {
      complain(service.error().message());
      continue;
    }
    wanted.insert({std::string(base::get_string(*service, "metadata.namespace").value_or("")),
                   std::string(base::get_string(*service, "metadata.name").value_or(""))});
    applied.push_back(ports[i]);
    applies.push_back(apply_request(kube::resources::kService, *std::move(service)));
  }
  const auto services = inner_.run(key, std::move(applies));
  for (std::size_t i = 0; i < services.size(); ++i) {
    const auto node_port = services[i] ? inner_node_port(*services[i]) : std::nullopt;
    if (node_port) {
      out.ports[applied[i]->name] = *node_port;
    } else {
      complain(fmt::format("spec.ports[{}].service {}: {}", applied[i]->name, applied[i]->service,
                           services[i] ? "no port was assigned" : services[i].error().message()));
    }
  }
  if (out.trouble.empty()) {
    remove_others(key, wanted);
  }
  return out;
}

}  // namespace vk8s::controller
