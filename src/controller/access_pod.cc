// The access pod, an image of the user's choice that is given the kubeconfig, and
// the Service before it.
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kMountPath = "/etc/vk8s/access";
constexpr std::string_view kAppLabel = "vk8s-access";

JsonObject labels_of(const Cluster& cluster) {
  JsonObject out;
  out["app"] = kAppLabel;
  out["clusterName"] = cluster.name();
  return out;
}

class AccessDeployment final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kDeployment, cluster.access_pod());
  }

  bool is_wanted(const Cluster& cluster) const override {
    return !cluster.vk8s.spec.access_pod_image.empty();
  }

  Json desired(const Cluster& cluster) const override {
    JsonObject metadata;
    metadata["labels"] = labels_of(cluster);
    JsonObject tmpl;
    tmpl["metadata"] = std::move(metadata);
    tmpl["spec"] = pod_spec(cluster);
    JsonObject selector;
    selector["matchLabels"] = labels_of(cluster);

    JsonObject spec;
    spec["replicas"] = cluster.paused ? 0 : 1;
    spec["selector"] = std::move(selector);
    spec["template"] = std::move(tmpl);
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }

 private:
  static JsonObject pod_spec(const Cluster& cluster) {
    JsonObject volume;
    volume["name"] = "kubeconfig";
    volume["secret"] = JsonObject{{"secretName", Json(cluster.kubeconfig_secret())}};
    JsonArray pull_secrets;
    for (const std::string& name : cluster.vk8s.spec.image_pull_secrets) {
      pull_secrets.push_back(JsonObject{{"name", Json(name)}});
    }
    JsonObject out;
    out["automountServiceAccountToken"] = false;
    out["enableServiceLinks"] = false;
    if (!pull_secrets.empty()) {
      out["imagePullSecrets"] = std::move(pull_secrets);
    }
    out["containers"] = JsonArray{container(cluster)};
    out["volumes"] = JsonArray{std::move(volume)};
    return out;
  }

  static JsonObject container(const Cluster& cluster) {
    JsonObject environment;
    environment["name"] = "KUBECONFIG";
    environment["value"] = std::string(kMountPath) + "/kubeconfig-internal";
    JsonObject mount;
    mount["name"] = "kubeconfig";
    mount["mountPath"] = kMountPath;
    mount["readOnly"] = true;
    JsonObject out;
    out["name"] = "access";
    out["image"] = cluster.vk8s.spec.access_pod_image;
    out["env"] = JsonArray{std::move(environment)};
    out["volumeMounts"] = JsonArray{std::move(mount)};
    return out;
  }
};

class AccessService final : public Resource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kService, cluster.access_service());
  }

  bool is_wanted(const Cluster& cluster) const override {
    return !cluster.vk8s.spec.access_pod_image.empty() && cluster.vk8s.spec.access_pod_port != 0;
  }

  Json desired(const Cluster& cluster) const override {
    JsonObject port;
    port["name"] = "access";
    port["protocol"] = "TCP";
    port["port"] = cluster.vk8s.spec.access_pod_port;
    port["targetPort"] = cluster.vk8s.spec.access_pod_port;
    JsonObject spec;
    spec["type"] = "NodePort";
    spec["selector"] = labels_of(cluster);
    spec["ports"] = JsonArray{std::move(port)};
    JsonObject out = object_of(cluster, ref(cluster));
    out["spec"] = std::move(spec);
    return out;
  }
};

}  // namespace

std::unique_ptr<Resource> make_access_deployment() { return std::make_unique<AccessDeployment>(); }

std::unique_ptr<Resource> make_access_service() { return std::make_unique<AccessService>(); }

}  // namespace vk8s::controller
