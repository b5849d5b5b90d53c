#include "agent/bootstrap_objects.h"

#include "agent/component_config.h"
#include "agent/leaf_certificates.h"
#include "api/from_spec.h"
#include "api/version_catalogue.h"

namespace vk8s::agent {
namespace {

constexpr const char* kRbacGroup = "rbac.authorization.k8s.io";
constexpr const char* kRbacVersion = "rbac.authorization.k8s.io/v1";

Json metadata(const char* name) {
  return {{"name", name}, {"labels", {{"app.kubernetes.io/managed-by", kAgentFieldManager}}}};
}

BootstrapObject binding(const char* name, const char* role, const char* subject_kind,
                        const char* subject) {
  return {kube::resources::kClusterRoleBinding,
          Json{{"apiVersion", kRbacVersion},
               {"kind", "ClusterRoleBinding"},
               {"metadata", metadata(name)},
               {"roleRef", {{"apiGroup", kRbacGroup}, {"kind", "ClusterRole"}, {"name", role}}},
               {"subjects",
                JsonArray{JsonObject{
                    {"apiGroup", kRbacGroup}, {"kind", subject_kind}, {"name", subject}}}}}};
}

struct Rule {
  const char* group;
  std::vector<const char*> resources;
  std::vector<const char*> verbs;
};

BootstrapObject role(const char* name, const std::vector<Rule>& rules) {
  JsonArray all;
  for (const Rule& rule : rules) {
    all.push_back(JsonObject{{"apiGroups", JsonArray{rule.group}},
                             {"resources", JsonArray(rule.resources.begin(), rule.resources.end())},
                             {"verbs", JsonArray(rule.verbs.begin(), rule.verbs.end())}});
  }
  return {kube::resources::kClusterRole, Json{{"apiVersion", kRbacVersion},
                                              {"kind", "ClusterRole"},
                                              {"metadata", metadata(name)},
                                              {"rules", std::move(all)}}};
}

// Agents: see their peers, provision local volumes. Those of the host confirm addresses
// that stay, and route to the pods that have one.
BootstrapObject agent_role(bool is_host) {
  std::vector<Rule> rules = {
      {"", {"nodes"}, {"get", "list", "watch"}},
      {"", {"persistentvolumeclaims"}, {"get", "list", "watch", "patch"}},
      {"", {"persistentvolumes"}, {"get", "list", "watch", "create", "delete"}},
      {"storage.k8s.io", {"storageclasses"}, {"get", "list", "watch"}},
      {"", {"events"}, {"create", "patch"}}};
  if (is_host) {
    rules.push_back({"", {"pods"}, {"list", "watch"}});
    rules.push_back({"vk8s.sktelecom.com", {"ipallocations"}, {"get"}});
  }
  return role("vk8s:agent", rules);
}

std::vector<BootstrapObject> rbac_objects(bool is_host) {
  return {
      binding("vk8s:cluster-admins", "cluster-admin", "Group", "vk8s:cluster-admins"),
      // kubelets renew their client certificates; kube-controller-manager approves.
      binding("vk8s:node-client-renewal",
              "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group",
              "system:nodes"),
      binding("vk8s:node-proxier", "system:node-proxier", "User", "system:kube-proxy"),
      binding("vk8s:kubelet-api-admin", "system:kubelet-api-admin", "User",
              "kube-apiserver-kubelet-client"),
      role("vk8s:coredns", {{"", {"services", "pods", "namespaces"}, {"list", "watch"}},
                            {"discovery.k8s.io", {"endpointslices"}, {"list", "watch"}}}),
      binding("vk8s:coredns", "vk8s:coredns", "User", "vk8s:coredns"),
      agent_role(is_host),
      binding("vk8s:agent", "vk8s:agent", "Group", "vk8s:agents"),
      // The controller on the host: labels and taints nodes, drains those that leave,
      // opens spec.ports.
      role("vk8s:controller", {{"", {"nodes"}, {"get", "patch", "delete"}},
                               {"", {"pods"}, {"list"}},
                               {"", {"pods/eviction"}, {"create"}},
                               {"", {"services"}, {"get", "list", "create", "patch", "delete"}}}),
      binding("vk8s:controller", "vk8s:controller", "User", "vk8s:controller"),
  };
}

JsonArray dns_ports(bool with_target) {
  JsonArray ports;
  for (const auto& [name, protocol] : {std::pair{"dns", "UDP"}, std::pair{"dns-tcp", "TCP"}}) {
    JsonObject port{{"name", name}, {"port", 53}, {"protocol", protocol}};
    if (with_target) {
      port["targetPort"] = 53;
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

// CoreDNS is a process of the master, so its Service has no selector.
BootstrapObject dns_service(const std::string& cluster_ip) {
  return {kube::resources::kService,
          Json{{"apiVersion", "v1"},
               {"kind", "Service"},
               {"metadata",
                {{"name", "kube-dns"},
                 {"namespace", "kube-system"},
                 {"labels",
                  {{"k8s-app", "kube-dns"},
                   {"kubernetes.io/cluster-service", "true"},
                   {"kubernetes.io/name", "CoreDNS"}}}}},
               {"spec", {{"clusterIP", cluster_ip}, {"ports", dns_ports(true)}}}}};
}

// Where there are no EndpointSlices of version v1; kube-controller-manager mirrors them.
BootstrapObject dns_old_endpoints(const std::string& listen_ip) {
  return {
      kube::resources::kEndpoints,
      Json{{"apiVersion", "v1"},
           {"kind", "Endpoints"},
           {"metadata", {{"name", "kube-dns"}, {"namespace", "kube-system"}}},
           {"subsets", JsonArray{JsonObject{{"addresses", JsonArray{JsonObject{{"ip", listen_ip}}}},
                                            {"ports", dns_ports(false)}}}}}};
}

BootstrapObject dns_endpoint_slice(const std::string& listen_ip) {
  return {kube::resources::kEndpointSlice,
          Json{{"apiVersion", "discovery.k8s.io/v1"},
               {"kind", "EndpointSlice"},
               {"metadata",
                {{"name", "kube-dns-vk8s"},
                 {"namespace", "kube-system"},
                 {"labels",
                  {{"kubernetes.io/service-name", "kube-dns"},
                   {"endpointslice.kubernetes.io/managed-by", kAgentFieldManager}}}}},
               {"addressType", "IPv4"},
               {"endpoints", JsonArray{JsonObject{{"addresses", JsonArray{Json(listen_ip)}},
                                                  {"conditions", {{"ready", true}}}}}},
               {"ports", dns_ports(false)}}};
}

BootstrapObject storage_class() {
  // A volume on a node whose state goes with its pod would be lost, and whoever is
  // bound to it would wait for ever.
  const Json on_nodes_that_keep_them{{"key", api::kVolumesLabel}, {"values", JsonArray{"true"}}};
  return {
      kube::resources::kStorageClass,
      Json{{"apiVersion", "storage.k8s.io/v1"},
           {"kind", "StorageClass"},
           {"metadata",
            {{"name", "local"},
             {"annotations", {{"storageclass.kubernetes.io/is-default-class", "true"}}}}},
           {"provisioner", kLocalProvisioner},
           {"reclaimPolicy", "Delete"},
           {"volumeBindingMode", "WaitForFirstConsumer"},
           {"allowedTopologies",
            JsonArray{JsonObject{{"matchLabelExpressions", JsonArray{on_nodes_that_keep_them}}}}}}};
}

// What kube-controller-manager gives every namespace: here at once for those that
// exist from the start, so that the first pod need not wait for it to have begun.
void add_namespace_defaults(const std::string& ca_pem, std::vector<BootstrapObject>& objects) {
  for (const char* name : {"default", "kube-system"}) {
    objects.push_back({kube::resources::kServiceAccount,
                       Json{{"apiVersion", "v1"},
                            {"kind", "ServiceAccount"},
                            {"metadata", {{"name", "default"}, {"namespace", name}}}}});
    objects.push_back({kube::resources::kConfigMap,
                       Json{{"apiVersion", "v1"},
                            {"kind", "ConfigMap"},
                            {"metadata", {{"name", "kube-root-ca.crt"}, {"namespace", name}}},
                            {"data", {{"ca.crt", ca_pem}}}}});
  }
}

}  // namespace

Result<std::vector<BootstrapObject>> bootstrap_objects(const api::NodeConfig& config,
                                                       const std::string& ca_pem) {
  std::vector<BootstrapObject> objects = rbac_objects(config.is_host_node);
  objects.push_back(dns_service(VK8S_TRY(dns_service_ip(config))));
  const std::string listen_ip = VK8S_TRY(dns_listen_ip(config));
  objects.push_back(api::traits_of(config.kubernetes_version).endpoint_slices
                        ? dns_endpoint_slice(listen_ip)
                        : dns_old_endpoints(listen_ip));
  objects.push_back(storage_class());
  add_namespace_defaults(ca_pem, objects);
  return objects;
}

Json pod_cidr_patch(const api::NodeConfig& config) {
  Json out{
      {"spec", {{"podCIDR", config.pod_cidr}, {"podCIDRs", JsonArray{Json(config.pod_cidr)}}}}};
  const api::FromSpec registered = api::from_spec(config.labels, config.taints);
  if (!config.is_host_node && !registered.empty()) {
    out.get_object()["metadata"] = {
        {"annotations", {{api::kFromSpecAnnotation, api::to_string(registered)}}}};
  }
  return out;
}

std::optional<Json> volumes_label_patch(const api::NodeConfig& config, const Json& node) {
  const JsonObject* labels = base::get_object(node, "metadata.labels");
  const Json* label = labels == nullptr ? nullptr : labels->if_contains(api::kVolumesLabel);
  const Json wanted = config.offers_volumes ? Json("true") : Json();
  if (label == nullptr ? wanted.is_null() : *label == wanted) {
    return std::nullopt;
  }
  return Json{{"metadata", {{"labels", {{api::kVolumesLabel, wanted}}}}}};
}

Json role_label_patch(api::NodeRole role) {
  const char* label = role == api::NodeRole::kMaster ? "node-role.kubernetes.io/control-plane"
                                                     : "node-role.kubernetes.io/worker";
  return {{"metadata", {{"labels", {{label, ""}}}}}};
}

}  // namespace vk8s::agent
