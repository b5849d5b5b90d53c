#include "controller/manifests.h"

#include <fmt/format.h>

#include <initializer_list>

#include "api/vk8s.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kConfigFolder = "/etc/vk8s-controller";

using Texts = std::initializer_list<std::string_view>;

JsonArray texts(Texts values) {
  JsonArray out;
  for (const std::string_view value : values) {
    out.emplace_back(value);
  }
  return out;
}

JsonObject object_of(std::string_view api_version, std::string_view kind, std::string_view name,
                     std::string_view namespace_name = {}) {
  JsonObject metadata;
  metadata["name"] = name;
  if (!namespace_name.empty()) {
    metadata["namespace"] = namespace_name;
  }
  metadata["labels"] = JsonObject{{"app", Json(kControllerName)}};
  JsonObject out;
  out["apiVersion"] = api_version;
  out["kind"] = kind;
  out["metadata"] = std::move(metadata);
  return out;
}

JsonObject rule(Texts groups, Texts resources, Texts verbs) {
  JsonObject out;
  out["apiGroups"] = texts(groups);
  out["resources"] = texts(resources);
  out["verbs"] = texts(verbs);
  return out;
}

// Each right has a line of the controller that needs it; no wildcards.
JsonArray cluster_rules() {
  return JsonArray{
      rule({api::kVk8sGroup}, {"vk8s"}, {"get", "list", "watch", "patch"}),
      rule({api::kVk8sGroup}, {"vk8s/status"}, {"patch"}),
      // For ownerReferences with blockOwnerDeletion.
      rule({api::kVk8sGroup}, {"vk8s/finalizers"}, {"update"}),
      rule({"apps"}, {"statefulsets", "deployments"},
           {"get", "list", "watch", "create", "patch", "delete"}),
      rule({""}, {"services"}, {"get", "list", "watch", "create", "patch", "delete"}),
      rule({"networking.k8s.io"}, {"networkpolicies"},
           {"get", "list", "watch", "create", "patch", "delete"}),
      // By name only: never listed, never watched.
      rule({""}, {"secrets"}, {"get", "create", "update", "patch", "delete"}),
      // create is for the dry run before a cluster's first object.
      rule({""}, {"pods"}, {"get", "list", "watch", "create", "delete"}),
      rule({""}, {"nodes"}, {"get", "list", "watch"}),
      // Of nodes that have left a cluster.
      rule({""}, {"persistentvolumeclaims"}, {"delete"}),
      rule({""}, {"events"}, {"create", "patch"}),
      // Fixed addresses: the controller is one of those who give them.
      rule({api::kVk8sGroup}, {"vnodeippools"}, {"get", "list", "watch"}),
      rule({api::kVk8sGroup}, {"vnodeippools/status"}, {"patch"}),
      rule({api::kVk8sGroup}, {"ipallocations"},
           {"get", "list", "watch", "create", "update", "patch", "delete"}),
      // On hosts with Calico's IPAM: what it has, and what it is to leave alone.
      rule({"crd.projectcalico.org"}, {"ippools", "ipamblocks", "ipamconfigs"}, {"get", "list"}),
      rule({"crd.projectcalico.org"}, {"ipreservations"}, {"get", "create", "update", "patch"}),
  };
}

JsonObject binding(std::string_view kind, std::string_view role_kind,
                   std::string_view namespace_name) {
  JsonObject out = object_of("rbac.authorization.k8s.io/v1", kind, kControllerName, namespace_name);
  out["roleRef"] = JsonObject{{"apiGroup", "rbac.authorization.k8s.io"},
                              {"kind", Json(role_kind)},
                              {"name", Json(kControllerName)}};
  out["subjects"] = JsonArray{JsonObject{{"kind", "ServiceAccount"},
                                         {"name", Json(kControllerName)},
                                         {"namespace", Json(kSystemNamespace)}}};
  return out;
}

JsonObject probe(std::string_view path, int period_seconds) {
  JsonObject http;
  http["path"] = path;
  http["port"] = "metrics";
  http["scheme"] = "HTTPS";
  JsonObject out;
  out["httpGet"] = std::move(http);
  out["periodSeconds"] = period_seconds;
  return out;
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
  out["livenessProbe"] = probe("/healthz", 20);
  out["readinessProbe"] = probe("/readyz", 5);
  out["resources"] = JsonObject{{"limits", std::move(limits)}, {"requests", std::move(requests)}};
  out["volumeMounts"] = JsonArray{
      JsonObject{{"name", "config"}, {"mountPath", Json(kConfigFolder)}, {"readOnly", true}}};
  out["securityContext"] = JsonObject{{"allowPrivilegeEscalation", false},
                                      {"readOnlyRootFilesystem", true},
                                      {"capabilities", JsonObject{{"drop", JsonArray{"ALL"}}}}};
  return out;
}

// It runs beside the host's control plane where there is no other node.
JsonArray control_plane_tolerations() {
  JsonObject toleration;
  toleration["key"] = "node-role.kubernetes.io/control-plane";
  toleration["operator"] = "Exists";
  toleration["effect"] = "NoSchedule";
  return JsonArray{std::move(toleration)};
}

JsonObject pod_spec() {
  JsonObject out;
  out["serviceAccountName"] = kControllerName;
  out["enableServiceLinks"] = false;
  out["securityContext"] = JsonObject{{"runAsNonRoot", true},
                                      {"runAsUser", 65532},
                                      {"runAsGroup", 65532},
                                      {"seccompProfile", JsonObject{{"type", "RuntimeDefault"}}}};
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
  role["rules"] =
      JsonArray{rule({"coordination.k8s.io"}, {"leases"}, {"get", "create", "update", "patch"})};
  return {
      object_of("v1", "Namespace", kSystemNamespace),
      object_of("v1", "ServiceAccount", kControllerName, kSystemNamespace),
      std::move(cluster_role),
      binding("ClusterRoleBinding", "ClusterRole", {}),
      std::move(role),
      binding("RoleBinding", "Role", kSystemNamespace),
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
