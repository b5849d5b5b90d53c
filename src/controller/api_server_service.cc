#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Fronts the virtual API server: a cluster IP for who is inside the host, a node
// port for who is outside. Not-ready masters stay in it: workers join and
// clients read while the master's own Node is still on its way to Ready.
class ApiServerService final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kService, cluster.api_service());
  }

  Json desired(const Cluster& cluster) const override {
    JsonObject selector = cluster_labels(cluster);
    selector["role"] = "master";
    JsonObject port;
    port["name"] = "https";
    port["protocol"] = "TCP";
    port["port"] = kApiServerPort;
    port["targetPort"] = kApiServerPort;

    JsonObject spec;
    spec["type"] = "NodePort";
    spec["selector"] = std::move(selector);
    spec["publishNotReadyAddresses"] = true;
    spec["ports"] = JsonArray{std::move(port)};
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }
};

}  // namespace

std::unique_ptr<Resource> make_api_server_service() { return std::make_unique<ApiServerService>(); }

}  // namespace vk8s::controller
