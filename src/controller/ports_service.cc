#include <algorithm>

#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// On every node of the cluster; 0 while a named Service is not reachable yet.
int target_port(const Cluster& cluster, const api::PortSpec& port) {
  const auto inner = cluster.inner_ports.find(port.name);
  return inner == cluster.inner_ports.end() ? port.target_port : inner->second;
}

// Shows spec.ports on the host's nodes; backed by every ready node of the cluster.
class PortsService final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kService, cluster.ports_service());
  }

  bool is_wanted(const Cluster& cluster) const override {
    const auto& ports = cluster.vk8s.spec.ports;
    return std::any_of(ports.begin(), ports.end(),
                       [&](const api::PortSpec& port) { return target_port(cluster, port) != 0; });
  }

  Json desired(const Cluster& cluster) const override {
    JsonArray ports;
    for (const api::PortSpec& wanted : cluster.vk8s.spec.ports) {
      const int target = target_port(cluster, wanted);
      if (target == 0) {
        continue;
      }
      JsonObject port;
      port["name"] = wanted.name;
      port["protocol"] = wanted.protocol;
      port["port"] = wanted.port;
      port["targetPort"] = target;
      if (wanted.node_port != 0) {
        port["nodePort"] = wanted.node_port;
      }
      ports.push_back(std::move(port));
    }
    JsonObject spec;
    spec["type"] = "NodePort";
    spec["selector"] = cluster_labels(cluster);
    spec["ports"] = std::move(ports);
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }
};

}  // namespace

std::unique_ptr<Resource> make_ports_service() { return std::make_unique<PortsService>(); }

}  // namespace vk8s::controller
