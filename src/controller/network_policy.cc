#include "controller/manifests.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

JsonObject port_of(std::string_view protocol, int port) {
  JsonObject out;
  out["protocol"] = protocol;
  out["port"] = port;
  return out;
}

JsonObject match_labels(JsonObject labels) {
  JsonObject out;
  out["matchLabels"] = std::move(labels);
  return out;
}

// Who may reach a cluster's nodes: the nodes themselves on every port; anybody on
// the API server and spec.ports; the controller on the agent's port.
class NetworkPolicy final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kNetworkPolicy, cluster.network_policy());
  }

  Json desired(const Cluster& cluster) const override {
    JsonObject spec;
    spec["podSelector"] = match_labels(cluster_labels(cluster));
    spec["policyTypes"] = JsonArray{"Ingress"};
    spec["ingress"] = JsonArray{from_peers(cluster), to_open_ports(cluster), from_controller()};
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }

 private:
  static JsonObject from_peers(const Cluster& cluster) {
    JsonObject peer;
    peer["podSelector"] = match_labels(cluster_labels(cluster));
    JsonObject out;
    out["from"] = JsonArray{std::move(peer)};
    return out;
  }

  static JsonObject to_open_ports(const Cluster& cluster) {
    JsonArray ports{port_of("TCP", kApiServerPort)};
    for (const api::PortSpec& port : cluster.vk8s.spec.ports) {
      const auto inner = cluster.inner_ports.find(port.name);
      if (inner != cluster.inner_ports.end()) {
        ports.push_back(port_of(port.protocol, inner->second));
      } else if (port.target_port != 0) {
        ports.push_back(port_of(port.protocol, port.target_port));
      }
    }
    JsonObject out;
    out["ports"] = std::move(ports);
    return out;
  }

  static JsonObject from_controller() {
    JsonObject in_namespace;
    in_namespace["kubernetes.io/metadata.name"] = kSystemNamespace;
    JsonObject of_controller;
    of_controller["app"] = kControllerName;
    JsonObject peer;
    peer["namespaceSelector"] = match_labels(std::move(in_namespace));
    peer["podSelector"] = match_labels(std::move(of_controller));
    JsonObject out;
    out["from"] = JsonArray{std::move(peer)};
    out["ports"] = JsonArray{port_of("TCP", kAgentPort)};
    return out;
  }
};

}  // namespace

std::unique_ptr<Resource> make_network_policy() { return std::make_unique<NetworkPolicy>(); }

}  // namespace vk8s::controller
