// What is known of kinds of objects without asking a server. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace vk8s::addons {

// What users see of the order, and who goes first of those that can.
enum class Stage {
  kNamespaces,
  kDefinitions,    // CRDs
  kConfiguration,  // RBAC, ConfigMaps, Secrets, Services, claims, policies, ...
  kWorkloads,
  kWebhooks,  // and APIServices
  kCustomResources,
};
std::string_view to_string(Stage stage);

struct KindInfo {
  std::string plural;
  bool namespaced = true;
};

// Kinds of Kubernetes' own API groups; nothing for those of other groups.
std::optional<KindInfo> find_builtin_kind(std::string_view group, std::string_view kind);

// A kind of another group is a custom resource, an aggregated one too.
Stage stage_of(std::string_view group, std::string_view kind);

bool is_namespace(std::string_view group, std::string_view kind);
bool is_definition(std::string_view group, std::string_view kind);  // a CRD
bool is_webhook_configuration(std::string_view group, std::string_view kind);
bool is_api_service(std::string_view group, std::string_view kind);
// What makes pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, ..., Pod.
bool is_workload(std::string_view group, std::string_view kind);
// PersistentVolumeClaim and PersistentVolume.
bool holds_data(std::string_view group, std::string_view kind);

// The PodTemplateSpec of a workload ({metadata, spec}; of a Pod the Pod itself), or
// nullptr.
const Json* find_pod_template(const Json& workload);

}  // namespace vk8s::addons
