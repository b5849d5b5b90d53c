// What vk8s-ip-manager is installed with.
#include <fmt/format.h>

#include "api/vk8s.h"
#include "controller/manifest_parts.h"
#include "controller/manifests.h"
#include "ipmanager/serving_certificate.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io/v1";
constexpr int kPort = 5002;

JsonObject object_of(std::string_view api_version, std::string_view kind,
                     std::string_view namespace_name = kSystemNamespace) {
  return manifest_of(kIpManagerName, api_version, kind, kIpManagerName, namespace_name);
}

JsonArray cluster_rules() {
  return JsonArray{
      rbac_rule({api::kVk8sGroup}, {"vnodeippools"}, {"get", "list", "watch"}),
      rbac_rule({api::kVk8sGroup}, {"vnodeippools/status"}, {"patch"}),
      rbac_rule({api::kVk8sGroup}, {"ipallocations"},
                {"get", "list", "watch", "create", "patch", "delete"}),
      // Whether the owner of an address is still there.
      rbac_rule({api::kVk8sGroup}, {"vk8s"}, {"get"}),
      rbac_rule({""}, {"pods"}, {"list"}),
      // Their pod networks, from which no pool gives.
      rbac_rule({""}, {"nodes"}, {"list", "watch"}),
      // Who calls, and what he may.
      rbac_rule({"authentication.k8s.io"}, {"tokenreviews"}, {"create"}),
      rbac_rule({"authorization.k8s.io"}, {"subjectaccessreviews"}, {"create"}),
  };
}

JsonObject named_rule(std::string_view resource, Texts verbs) {
  JsonObject out = rbac_rule({""}, {resource}, verbs);
  out["resourceNames"] = JsonArray{Json(ipmanager::kCaName)};
  return out;
}

// Its CA. A right to create goes by no name.
JsonArray system_rules() {
  return JsonArray{
      rbac_rule({""}, {"secrets"}, {"create"}),
      named_rule("secrets", {"get"}),
      rbac_rule({""}, {"configmaps"}, {"create"}),
      named_rule("configmaps", {"get", "update"}),
  };
}

JsonObject container() {
  JsonObject limits;
  limits["memory"] = "256Mi";
  JsonObject requests;
  requests["cpu"] = "10m";
  requests["memory"] = "32Mi";

  JsonObject out;
  out["name"] = "ip-manager";
  out["image"] = kControllerImage;
  out["command"] = JsonArray{"/usr/local/bin/vk8s-ip-manager"};
  out["args"] = JsonArray{Json(fmt::format("--address=0.0.0.0:{}", kPort)),
                          Json(fmt::format("--namespace={}", kSystemNamespace))};
  out["ports"] = JsonArray{JsonObject{{"name", "https"}, {"containerPort", kPort}}};
  out["livenessProbe"] = https_probe("/healthz", "https", 20);
  out["readinessProbe"] = https_probe("/readyz", "https", 5);
  out["resources"] = JsonObject{{"limits", std::move(limits)}, {"requests", std::move(requests)}};
  out["securityContext"] = unprivileged_container_context();
  return out;
}

JsonObject pod_spec() {
  JsonObject out;
  out["serviceAccountName"] = kIpManagerName;
  out["enableServiceLinks"] = false;
  out["securityContext"] = unprivileged_pod_context();
  out["terminationGracePeriodSeconds"] = 10;
  out["tolerations"] = control_plane_tolerations();
  out["containers"] = JsonArray{container()};
  return out;
}

JsonObject deployment() {
  JsonObject labels;
  labels["app"] = kIpManagerName;
  JsonObject tmpl;
  tmpl["metadata"] = JsonObject{{"labels", labels}};
  tmpl["spec"] = pod_spec();

  JsonObject spec;
  spec["replicas"] = 1;  // as many as you like: all of them act
  spec["selector"] = JsonObject{{"matchLabels", std::move(labels)}};
  spec["template"] = std::move(tmpl);
  JsonObject out = object_of("apps/v1", "Deployment");
  out["spec"] = std::move(spec);
  return out;
}

JsonObject service() {
  JsonObject port;
  port["name"] = "https";
  port["port"] = kPort;
  port["targetPort"] = "https";
  JsonObject spec;
  spec["selector"] = JsonObject{{"app", Json(kIpManagerName)}};
  spec["ports"] = JsonArray{std::move(port)};
  JsonObject out = object_of("v1", "Service");
  out["spec"] = std::move(spec);
  return out;
}

}  // namespace

std::vector<Json> ip_manager_manifests() {
  JsonObject cluster_role = object_of(kRbac, "ClusterRole", "");
  cluster_role["rules"] = cluster_rules();
  JsonObject role = object_of(kRbac, "Role");
  role["rules"] = system_rules();
  return {object_of("v1", "ServiceAccount"),
          std::move(cluster_role),
          rbac_binding(kIpManagerName, "ClusterRoleBinding", "ClusterRole", {}),
          std::move(role),
          rbac_binding(kIpManagerName, "RoleBinding", "Role", kSystemNamespace),
          service(),
          deployment()};
}

}  // namespace vk8s::controller
