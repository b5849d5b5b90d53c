// What vk8s-ip-node is installed with, where somebody asks for it.
#include <fmt/format.h>

#include "api/ip_allocation.h"
#include "api/vk8s.h"
#include "controller/manifest_parts.h"
#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io/v1";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io/v1";
constexpr std::string_view kPluginFolder = "/host/opt/cni/bin";

JsonObject object_of(std::string_view api_version, std::string_view kind,
                     std::string_view namespace_name = {}) {
  return manifest_of(kIpNodeName, api_version, kind, kIpNodeName, namespace_name);
}

JsonArray cluster_rules(bool routes) {
  JsonArray rules{
      // Whose an address is, when a pod asks for it.
      rbac_rule({api::kVk8sGroup}, {"ipallocations"}, {"get"}),
      // The annotation of its own Node: node_policy() holds it to that.
      rbac_rule({""}, {"nodes"}, {"patch"}),
  };
  if (routes) {
    rules.push_back(rbac_rule({""}, {"nodes", "pods"}, {"list", "watch"}));
  }
  return rules;
}

JsonObject validation(std::string_view expression, std::string_view message) {
  JsonObject out;
  out["expression"] = expression;
  out["message"] = message;
  return out;
}

JsonObject variable(std::string_view name, std::string_view expression) {
  JsonObject out;
  out["name"] = name;
  out["expression"] = expression;
  return out;
}

// RBAC knows no single annotation and no "own" Node: without this, who takes over one
// node could label and taint all others.
JsonObject node_policy() {
  JsonObject nodes;
  nodes["apiGroups"] = texts({""});
  nodes["apiVersions"] = texts({"v1"});
  nodes["operations"] = texts({"UPDATE"});
  nodes["resources"] = texts({"nodes"});
  JsonObject constraints;
  constraints["resourceRules"] = JsonArray{std::move(nodes)};

  JsonObject condition;
  condition["name"] = "is-ip-node";
  condition["expression"] = fmt::format(
      "request.userInfo.username == 'system:serviceaccount:{}:{}'", kSystemNamespace, kIpNodeName);
  JsonObject spec;
  spec["failurePolicy"] = "Fail";
  spec["matchConstraints"] = std::move(constraints);
  spec["matchConditions"] = JsonArray{std::move(condition)};
  spec["variables"] = JsonArray{variable("before", "oldObject.metadata.?annotations.orValue({})"),
                                variable("after", "object.metadata.?annotations.orValue({})")};
  constexpr std::string_view kNodeName = "authentication.kubernetes.io/node-name";
  spec["validations"] = JsonArray{
      validation(
          fmt::format("request.userInfo.extra[?'{0}'].orValue([]) == [request.name]", kNodeName),
          "vk8s-ip-node may write its own Node alone"),
      validation(
          fmt::format("variables.after.all(k, k == '{0}' || (k in variables.before && "
                      "variables.after[k] == variables.before[k])) && "
                      "variables.before.all(k, k == '{0}' || k in variables.after)",
                      api::kHeldIpsAnnotation),
          fmt::format("vk8s-ip-node may write the annotation {} alone", api::kHeldIpsAnnotation)),
      validation("object.spec == oldObject.spec && "
                 "object.metadata.?labels == oldObject.metadata.?labels && "
                 "object.metadata.?finalizers == oldObject.metadata.?finalizers && "
                 "object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences",
                 "vk8s-ip-node may write annotations of a Node alone")};
  JsonObject out = object_of(kAdmission, "ValidatingAdmissionPolicy");
  out["spec"] = std::move(spec);
  return out;
}

JsonObject policy_binding() {
  JsonObject spec;
  spec["policyName"] = kIpNodeName;
  spec["validationActions"] = texts({"Deny"});
  JsonObject out = object_of(kAdmission, "ValidatingAdmissionPolicyBinding");
  out["spec"] = std::move(spec);
  return out;
}

JsonObject mount(std::string_view name, std::string_view path, bool read_only = false) {
  JsonObject out;
  out["name"] = name;
  out["mountPath"] = path;
  if (read_only) {
    out["readOnly"] = true;
  }
  return out;
}

JsonObject host_folder(std::string_view name, std::string_view path) {
  JsonObject out;
  out["name"] = name;
  out["hostPath"] = JsonObject{{"path", Json(path)}, {"type", "DirectoryOrCreate"}};
  return out;
}

JsonObject container(bool routes) {
  JsonObject node_name;
  node_name["name"] = "NODE_NAME";
  node_name["valueFrom"] = JsonObject{{"fieldRef", JsonObject{{"fieldPath", "spec.nodeName"}}}};
  JsonObject limits;
  limits["memory"] = "64Mi";
  JsonObject requests;
  requests["cpu"] = "5m";
  requests["memory"] = "16Mi";
  // Root without a right of root's: it owns the folders that it writes.
  JsonObject capabilities;
  capabilities["drop"] = texts({"ALL"});
  if (routes) {
    capabilities["add"] = texts({"NET_ADMIN"});
  }

  JsonObject out;
  out["name"] = "ip-node";
  out["image"] = kControllerImage;
  out["command"] = JsonArray{"/usr/local/bin/vk8s-ip-node"};
  out["args"] = JsonArray{"--plugin=/opt/cni/bin/vk8s-ipam",
                          Json(fmt::format("--plugin-dir={}", kPluginFolder)),
                          Json(fmt::format("--routes={}", routes ? "host-gateway" : "none"))};
  out["env"] = JsonArray{std::move(node_name)};
  out["resources"] = JsonObject{{"limits", std::move(limits)}, {"requests", std::move(requests)}};
  // The last one is read to see which namespaces are gone.
  out["volumeMounts"] = JsonArray{mount("run", "/run/vk8s"), mount("plugins", kPluginFolder),
                                  mount("netns", "/run/netns", true)};
  out["securityContext"] = JsonObject{{"allowPrivilegeEscalation", false},
                                      {"readOnlyRootFilesystem", true},
                                      {"capabilities", std::move(capabilities)}};
  return out;
}

JsonObject pod_spec(bool routes) {
  JsonObject everywhere;
  everywhere["operator"] = "Exists";

  JsonObject out;
  out["serviceAccountName"] = kIpNodeName;
  out["enableServiceLinks"] = false;
  out["priorityClassName"] = "system-node-critical";
  out["securityContext"] = JsonObject{{"runAsUser", 0},
                                      {"runAsGroup", 0},
                                      {"seccompProfile", JsonObject{{"type", "RuntimeDefault"}}}};
  if (routes) {
    out["hostNetwork"] = true;
  }
  out["terminationGracePeriodSeconds"] = 5;
  out["nodeSelector"] = JsonObject{{"kubernetes.io/os", "linux"}};
  out["tolerations"] = JsonArray{std::move(everywhere)};
  out["containers"] = JsonArray{container(routes)};
  out["volumes"] =
      JsonArray{host_folder("run", "/run/vk8s"), host_folder("plugins", "/opt/cni/bin"),
                host_folder("netns", "/run/netns")};
  return out;
}

JsonObject daemon_set(bool routes) {
  JsonObject labels;
  labels["app"] = kIpNodeName;
  JsonObject tmpl;
  tmpl["metadata"] = JsonObject{{"labels", labels}};
  tmpl["spec"] = pod_spec(routes);
  JsonObject spec;
  spec["selector"] = JsonObject{{"matchLabels", std::move(labels)}};
  spec["template"] = std::move(tmpl);
  JsonObject out = object_of("apps/v1", "DaemonSet", kSystemNamespace);
  out["spec"] = std::move(spec);
  return out;
}

}  // namespace

std::vector<Json> ip_node_manifests(bool routes) {
  JsonObject cluster_role = object_of(kRbac, "ClusterRole");
  cluster_role["rules"] = cluster_rules(routes);
  return {node_policy(),
          policy_binding(),
          object_of("v1", "ServiceAccount", kSystemNamespace),
          std::move(cluster_role),
          rbac_binding(kIpNodeName, "ClusterRoleBinding", "ClusterRole", {}),
          daemon_set(routes)};
}

}  // namespace vk8s::controller
