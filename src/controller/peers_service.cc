#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Headless: gives every node's pod a name, ready or not.
class PeersService final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kService, cluster.peers_service());
  }

  Json desired(const Cluster& cluster) const override {
    JsonObject port;
    port["name"] = "agent";
    port["protocol"] = "TCP";
    port["port"] = kAgentPort;
    port["targetPort"] = kAgentPort;

    JsonObject spec;
    spec["clusterIP"] = "None";
    spec["selector"] = cluster_labels(cluster);
    spec["publishNotReadyAddresses"] = true;
    spec["ports"] = JsonArray{std::move(port)};
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }
};

}  // namespace

std::unique_ptr<Resource> make_peers_service() { return std::make_unique<PeersService>(); }

}  // namespace vk8s::controller
