#include "controller/manifest_parts.h"

#include "controller/manifests.h"

namespace vk8s::controller {

JsonArray texts(Texts values) {
  JsonArray out;
  for (const std::string_view value : values) {
    out.emplace_back(value);
  }
  return out;
}

JsonObject manifest_of(std::string_view app, std::string_view api_version, std::string_view kind,
                       std::string_view name, std::string_view namespace_name) {
  JsonObject metadata;
  metadata["name"] = name;
  if (!namespace_name.empty()) {
    metadata["namespace"] = namespace_name;
  }
  metadata["labels"] = JsonObject{{"app", Json(app)}};
  JsonObject out;
  out["apiVersion"] = api_version;
  out["kind"] = kind;
  out["metadata"] = std::move(metadata);
  return out;
}

JsonObject rbac_rule(Texts groups, Texts resources, Texts verbs) {
  JsonObject out;
  out["apiGroups"] = texts(groups);
  out["resources"] = texts(resources);
  out["verbs"] = texts(verbs);
  return out;
}

JsonObject rbac_binding(std::string_view app, std::string_view kind, std::string_view role_kind,
                        std::string_view namespace_name) {
  JsonObject out = manifest_of(app, "rbac.authorization.k8s.io/v1", kind, app, namespace_name);
  out["roleRef"] = JsonObject{
      {"apiGroup", "rbac.authorization.k8s.io"}, {"kind", Json(role_kind)}, {"name", Json(app)}};
  out["subjects"] = JsonArray{JsonObject{
      {"kind", "ServiceAccount"}, {"name", Json(app)}, {"namespace", Json(kSystemNamespace)}}};
  return out;
}

JsonObject https_probe(std::string_view path, std::string_view port, int period_seconds) {
  JsonObject http;
  http["path"] = path;
  http["port"] = port;
  http["scheme"] = "HTTPS";
  JsonObject out;
  out["httpGet"] = std::move(http);
  out["periodSeconds"] = period_seconds;
  return out;
}

JsonObject unprivileged_pod_context() {
  return JsonObject{{"runAsNonRoot", true},
                    {"runAsUser", 65532},
                    {"runAsGroup", 65532},
                    {"seccompProfile", JsonObject{{"type", "RuntimeDefault"}}}};
}

JsonObject unprivileged_container_context() {
  return JsonObject{{"allowPrivilegeEscalation", false},
                    {"readOnlyRootFilesystem", true},
                    {"capabilities", JsonObject{{"drop", JsonArray{"ALL"}}}}};
}

JsonArray control_plane_tolerations() {
  JsonObject toleration;
  toleration["key"] = "node-role.kubernetes.io/control-plane";
  toleration["operator"] = "Exists";
  toleration["effect"] = "NoSchedule";
  return JsonArray{std::move(toleration)};
}

}  // namespace vk8s::controller
