#include "controller/manifests.h"

#include <fmt/format.h>

#include "api/vk8s.h"
#include "controller/manifest_parts.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kConfigFolder = "/etc/vk8s-controller";

JsonObject object_of(std::string_view api_version, std::string_view kind, std::string_view name,
                     std::string_view namespace_name = {}) {
  return manifest_of(kControllerName, api_version, kind, name, namespace_name);
}

// Each right has a line of the controller that needs it; no wildcards.
JsonArray cluster_rules() {
  return JsonArray{
      rbac_rule({api::kVk8sGroup}, {"vk8s"}, {"get", "list", "watch", "patch"}),
      rbac_rule({api::kVk8sGroup}, {"vk8s/status"}, {"patch"}),
      // For ownerReferences with blockOwnerDeletion.
      rbac_rule({api::kVk8sGroup}, {"vk8s/finalizers"}, {"update"}),
      rbac_rule({"apps"}, {"statefulsets", "deployments"},
                {"get", "list", "watch", "create", "patch", "delete"}),
      rbac_rule({""}, {"services"}, {"get", "list", "watch", "create", "patch", "delete"}),
      rbac_rule({"networking.k8s.io"}, {"networkpolicies"},
                {"get", "list", "watch", "create", "patch", "delete"}),
      // By name only: never listed, never watched.
      rbac_rule({""}, {"secrets"}, {"get", "create", "update", "patch", "delete"}),
      // create is for dry runs.
      rbac_rule({""}, {"pods"}, {"get", "list", "watch", "create", "delete"}),
      rbac_rule({""}, {"nodes"}, {"get", "list", "watch"}),
      // Of nodes that have left a cluster; create is for dry runs, get for what they say.
      rbac_rule({""}, {"persistentvolumeclaims"}, {"get", "create", "delete"}),
      rbac_rule({""}, {"events"}, {"create", "patch"}),
      // Fixed addresses: the controller is one of those who give them.
      rbac_rule({api::kVk8sGroup}, {"vnodeippools"}, {"get", "list", "watch"}),
      rbac_rule({api::kVk8sGroup}, {"vnodeippools/status"}, {"patch"}),
      rbac_rule({api::kVk8sGroup}, {"ipallocations"},
                {"get", "list", "watch", "create", "update", "patch", "delete"}),
      // On hosts with Calico's IPAM: what it has, and what it is to leave alone.
      rbac_rule({"crd.projectcalico.org"}, {"ippools", "ipamblocks", "ipamconfigs"},
                {"get", "list"}),
      rbac_rule({"crd.projectcalico.org"}, {"ipreservations"},
                {"get", "create", "update", "patch"}),
  };
}

JsonObject container() {
  JsonObject limits;
  limits["memory"] = "256Mi";
  JsonObject requests;
  requests["cpu"] = "10m";
  requests["memory"] = "32Mi";

  JsonObject out;
  out["name"] = "controller";
  out["image"] = kControllerImage;
  out["args"] = JsonArray{"--leader-elect", "--metrics-address=0.0.0.0:10301",
                          Json(fmt::format("--config={}/config.toml", kConfigFolder))};
  out["ports"] = JsonArray{JsonObject{{"name", "metrics"}, {"containerPort", 10301}}};
  out["livenessProbe"] = https_probe("/healthz", "metrics", 20);
  out["readinessProbe"] = https_probe("/readyz", "metrics", 5);
  out["resources"] = JsonObject{{"limits", std::move(limits)}, {"requests", std::move(requests)}};
  out["volumeMounts"] = JsonArray{
      JsonObject{{"name", "config"}, {"mountPath", Json(kConfigFolder)}, {"readOnly", true}}};
  out["securityContext"] = unprivileged_container_context();
  return out;
}

JsonObject pod_spec() {
  JsonObject out;
  out["serviceAccountName"] = kControllerName;
  out["enableServiceLinks"] = false;
  out["securityContext"] = unprivileged_pod_context();
  out["terminationGracePeriodSeconds"] = 10;
  out["tolerations"] = control_plane_tolerations();
  out["containers"] = JsonArray{container()};
  // Of the installation: its node images and registry.
  out["volumes"] = JsonArray{
      JsonObject{{"name", "config"}, {"configMap", JsonObject{{"name", Json(kConfigMap)}}}}};
  return out;
}

// What an installation overrides (see kustomization.yaml): nothing.
Json config_map() {
  JsonObject out = object_of("v1", "ConfigMap", kConfigMap, kSystemNamespace);
  out["data"] = JsonObject{{"config.toml", ""}};
  return out;
}

}  // namespace

std::vector<Json> rbac_manifests() {
  JsonObject cluster_role =
      object_of("rbac.authorization.k8s.io/v1", "ClusterRole", kControllerName);
  cluster_role["rules"] = cluster_rules();
  JsonObject role =
      object_of("rbac.authorization.k8s.io/v1", "Role", kControllerName, kSystemNamespace);
  role["rules"] = JsonArray{
      rbac_rule({"coordination.k8s.io"}, {"leases"}, {"get", "create", "update", "patch"})};
  return {
      object_of("v1", "Namespace", kSystemNamespace),
      object_of("v1", "ServiceAccount", kControllerName, kSystemNamespace),
      std::move(cluster_role),
      rbac_binding(kControllerName, "ClusterRoleBinding", "ClusterRole", {}),
      std::move(role),
      rbac_binding(kControllerName, "RoleBinding", "Role", kSystemNamespace),
  };
}

std::vector<Json> deployment_manifests() {
  JsonObject labels;
  labels["app"] = kControllerName;
  JsonObject tmpl;
  tmpl["metadata"] = JsonObject{{"labels", labels}};
  tmpl["spec"] = pod_spec();

  JsonObject spec;
  spec["replicas"] = 1;
  spec["selector"] = JsonObject{{"matchLabels", std::move(labels)}};
  spec["template"] = std::move(tmpl);

  JsonObject out = object_of("apps/v1", "Deployment", kControllerName, kSystemNamespace);
  out["spec"] = std::move(spec);
  return {config_map(), std::move(out)};
}

}  // namespace vk8s::controller
