#include "addons/kinds.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace vk8s::addons {
namespace {

using std::string_view;

constexpr std::array kBuiltinGroups = {
    string_view(""),
    string_view("admissionregistration.k8s.io"),
    string_view("apiextensions.k8s.io"),
    string_view("apiregistration.k8s.io"),
    string_view("apps"),
    string_view("authentication.k8s.io"),
    string_view("authorization.k8s.io"),
    string_view("autoscaling"),
    string_view("batch"),
    string_view("certificates.k8s.io"),
    string_view("coordination.k8s.io"),
    string_view("discovery.k8s.io"),
    string_view("events.k8s.io"),
    string_view("flowcontrol.apiserver.k8s.io"),
    string_view("networking.k8s.io"),
    string_view("node.k8s.io"),
    string_view("policy"),
    string_view("rbac.authorization.k8s.io"),
    string_view("resource.k8s.io"),
    string_view("scheduling.k8s.io"),
    string_view("storage.k8s.io"),
};

constexpr std::array kClusterScoped = {
    string_view("APIService"),
    string_view("CSIDriver"),
    string_view("CSINode"),
    string_view("CertificateSigningRequest"),
    string_view("ClusterRole"),
    string_view("ClusterRoleBinding"),
    string_view("ClusterTrustBundle"),
    string_view("CustomResourceDefinition"),
    string_view("DeviceClass"),
    string_view("FlowSchema"),
    string_view("IPAddress"),
    string_view("IngressClass"),
    string_view("MutatingAdmissionPolicy"),
    string_view("MutatingAdmissionPolicyBinding"),
    string_view("MutatingWebhookConfiguration"),
    string_view("Namespace"),
    string_view("Node"),
    string_view("PersistentVolume"),
    string_view("PriorityClass"),
    string_view("PriorityLevelConfiguration"),
    string_view("ResourceSlice"),
    string_view("RuntimeClass"),
    string_view("SelfSubjectAccessReview"),
    string_view("ServiceCIDR"),
    string_view("StorageClass"),
    string_view("SubjectAccessReview"),
    string_view("TokenReview"),
    string_view("ValidatingAdmissionPolicy"),
    string_view("ValidatingAdmissionPolicyBinding"),
    string_view("ValidatingWebhookConfiguration"),
    string_view("VolumeAttachment"),
    string_view("VolumeAttributesClass"),
};

template <class List>
bool contains(const List& list, string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// As the API's own kinds are counted.
std::string plural_of(string_view kind) {
  std::string word(kind);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == "endpoints") {
    return word;
  }
  if (word.ends_with('s') || word.ends_with('x') || word.ends_with("ch")) {
    return word + "es";
  }
  if (word.ends_with('y') && !word.ends_with("ay") && !word.ends_with("ey")) {
    return word.substr(0, word.size() - 1) + "ies";
  }
  return word + "s";
}

}  // namespace

string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::kNamespaces:
      return "namespaces";
    case Stage::kDefinitions:
      return "definitions";
    case Stage::kConfiguration:
      return "configuration";
    case Stage::kWorkloads:
      return "workloads";
    case Stage::kWebhooks:
      return "webhooks";
    case Stage::kCustomResources:
      return "custom resources";
  }
  return "";
}

std::optional<KindInfo> find_builtin_kind(string_view group, string_view kind) {
  if (!contains(kBuiltinGroups, group)) {
    return std::nullopt;
  }
  return KindInfo{.plural = plural_of(kind), .namespaced = !contains(kClusterScoped, kind)};
}

Stage stage_of(string_view group, string_view kind) {
  if (!contains(kBuiltinGroups, group)) {
    return Stage::kCustomResources;
  }
  if (is_namespace(group, kind)) {
    return Stage::kNamespaces;
  }
  if (is_definition(group, kind)) {
    return Stage::kDefinitions;
  }
  if (is_workload(group, kind)) {
    return Stage::kWorkloads;
  }
  return is_webhook_configuration(group, kind) || is_api_service(group, kind)
             ? Stage::kWebhooks
             : Stage::kConfiguration;
}

bool is_namespace(string_view group, string_view kind) {
  return group.empty() && kind == "Namespace";
}

bool is_definition(string_view group, string_view kind) {
  return group == "apiextensions.k8s.io" && kind == "CustomResourceDefinition";
}

bool is_webhook_configuration(string_view group, string_view kind) {
  return group == "admissionregistration.k8s.io" && kind.ends_with("WebhookConfiguration");
}

bool is_api_service(string_view group, string_view kind) {
  return group == "apiregistration.k8s.io" && kind == "APIService";
}

bool is_workload(string_view group, string_view kind) {
  constexpr std::array kApps = {string_view("DaemonSet"), string_view("Deployment"),
                                string_view("ReplicaSet"), string_view("StatefulSet")};
  return (group == "apps" && contains(kApps, kind)) ||
         (group == "batch" && (kind == "Job" || kind == "CronJob")) ||
         (group.empty() && (kind == "Pod" || kind == "ReplicationController"));
}

bool holds_data(string_view group, string_view kind) {
  return group.empty() && (kind == "PersistentVolumeClaim" || kind == "PersistentVolume");
}

const Json* find_pod_template(const Json& workload) {
  const auto kind = base::get_string(workload, "kind").value_or("");
  if (kind == "Pod") {
    return &workload;
  }
  return base::find(workload,
                    kind == "CronJob" ? "spec.jobTemplate.spec.template" : "spec.template");
}

}  // namespace vk8s::addons
