// The Vk8s resource (vk8s.sktelecom.com/v1alpha1): what a user asks for and what
// the controller answers.
//
// parse_vk8s() reads an object the API server has admitted: its schema and CEL
// rules have refused what cannot work, so only what the controller relies on is
// checked again, with the field's path in the error. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/node_config.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::api {

inline constexpr std::string_view kVk8sGroup = "vk8s.sktelecom.com";
inline constexpr std::string_view kVk8sApiVersion = "vk8s.sktelecom.com/v1alpha1";

// Present, whatever its value: the cluster is paused.
inline constexpr std::string_view kStoppedAnnotation = "vk8s-resource-stopped";
// "false": wait, create nothing yet.
inline constexpr std::string_view kNetworkAnnotation = "cluster-network-connection-status";
// "true": pause even a cluster whose nodes would lose their state.
inline constexpr std::string_view kForcePauseAnnotation = "vk8s.sktelecom.com/force-pause";
// Node label of the host that the annotation "<node name>: <gpu type>" selects.
inline constexpr std::string_view kGpuTypeLabel = "scale/node.gpu.type";

inline constexpr std::string_view kDefaultPodNetworkCidr = "100.72.0.0/16";
inline constexpr std::string_view kDefaultServiceCidr = "100.80.0.0/16";
inline constexpr std::string_view kDefaultMasterStorage = "8Gi";

struct ObjectMeta {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string creation_timestamp;  // RFC 3339: text order is time order
  std::int64_t generation = 0;
  bool being_deleted = false;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};

struct NodeStorage {
  std::string size;                // a quantity; "" only if ephemeral
  std::string storage_class_name;  // "" = the host's default
  bool retain = false;             // reclaim: Retain
  bool ephemeral = false;          // an emptyDir: gone with the pod
  // Volumes inside may lie here. Not on a worker without `storage`: it is ephemeral
  // and nobody said so.
  bool offers_volumes = true;
};

struct NodeSpec {
  std::string name;
  NodeRole role = NodeRole::kMaster;
  std::string image;     // "" = the version catalogue's
  std::string ip;        // the address its pod is to have, canonical; "" = not said
  JsonObject resources;  // as a container has them
  NodeStorage storage;   // defaults filled in
  std::map<std::string, std::string> labels;
  std::vector<Taint> taints;
  JsonArray tolerations;  // as a pod has them
};

// A port of the cluster that the host reaches through Service <cr>-ports.
struct PortSpec {
  std::string name;  // never empty: "port-<port>" where the user gave none
  std::string protocol = "TCP";
  std::int32_t port = 0;
  std::int32_t target_port = 0;  // on every vnode; 0 if service is set
  std::string service;           // "<namespace>/<name>" inside; "" if target_port is set
  std::int32_t node_port = 0;    // on the host's nodes; 0 = any
};

// The add-on that spec.kubeflow means where it names none.
inline constexpr std::string_view kDefaultKubeflowProfile = "training";
// Add-ons that are profiles of Kubeflow: spec.addons[] has none of them.
inline constexpr std::array<std::string_view, 2> kKubeflowProfiles = {"training", "full"};

struct KubeflowSpec {
  std::string version;  // "" = the one that the administrator has
  std::string profile{kDefaultKubeflowProfile};
  std::string email;
  std::string password;  // plain, of old manifests: moved to a Secret and cleared
  std::string password_secret;
};

// One more thing to install inside.
struct AddonSpec {
  std::string name;
  std::string version;  // "" = the one that the administrator has
  bool operator==(const AddonSpec&) const = default;
};

struct Vk8sSpec {
  std::string kubernetes_version;  // as given; "" = by image tag or default
  std::string pod_network_cidr{kDefaultPodNetworkCidr};
  std::string service_cidr{kDefaultServiceCidr};
  std::vector<NodeSpec> nodes;
  std::vector<PortSpec> ports;
  std::vector<std::string> extra_sans;
  std::vector<std::string> upstream_dns;
  bool static_ips = false;  // every node keeps its address for the life of the cluster
  std::string ip_pool;      // VNodeIPPool of new addresses; "" = any that allows the cluster
  std::vector<std::string> image_pull_secrets;
  std::string access_pod_image;
  std::int32_t access_pod_port = 0;
  bool paused = false;
  std::optional<KubeflowSpec> kubeflow;
  std::vector<AddonSpec> addons;
};

enum class ConditionStatus { kTrue, kFalse, kUnknown };

struct Condition {
  std::string type;
  ConditionStatus status = ConditionStatus::kUnknown;
  std::string reason;
  std::string message;
  std::int64_t observed_generation = 0;
  std::string last_transition_time;  // base::format_time
  bool operator==(const Condition&) const = default;
};

struct NodeSummary {
  std::string name;
  NodeRole role = NodeRole::kMaster;
  std::string phase;
  std::string message;
  int progress = 0;  // 0 to 100
  std::string ip;
  std::string kubelet_version;
  std::string reserved_ip;  // of an IPAllocation; "" = none
  bool operator==(const NodeSummary&) const = default;
};

struct AddonComponent {
  std::string name;
  bool is_ready = false;
  std::string message;
  bool operator==(const AddonComponent&) const = default;
};

// How far an add-on is. It is there from before its first object until after its last.
struct AddonStatus {
  std::string name;  // "" of status.kubeflow
  std::string phase;
  std::string version;
  std::string message;
  int progress = 0;  // 0 to 100
  std::vector<AddonComponent> components;
  bool operator==(const AddonStatus&) const = default;
};

// Phases of a cluster, as users of the older operator know them.
namespace phase {
inline constexpr std::string_view kWaiting = "Waiting";
inline constexpr std::string_view kWaitingNetwork = "Waiting Network Connection";
inline constexpr std::string_view kInstalling = "Installing";
inline constexpr std::string_view kRunning = "Running";
inline constexpr std::string_view kPaused = "Paused";
inline constexpr std::string_view kRestarting = "Restarting";
inline constexpr std::string_view kTerminating = "Terminating";
inline constexpr std::string_view kFail = "Fail";
}  // namespace phase

struct Vk8sStatus {
  std::string phase;
  std::string message;
  std::int64_t observed_generation = 0;
  std::string version;   // "1.37.2"
  std::string endpoint;  // "https://198.18.0.10:31443"
  std::string kubeconfig_secret;
  std::string ready_nodes;  // "1/2"
  std::vector<NodeSummary> nodes;
  std::vector<Condition> conditions;
  std::optional<AddonStatus> kubeflow;  // none where there is nothing of it inside
  std::vector<AddonStatus> addons;      // likewise
  bool operator==(const Vk8sStatus&) const = default;
};

struct Vk8s {
  ObjectMeta metadata;
  Vk8sSpec spec;
  Vk8sStatus status;

  // By spec.paused or by annotation.
  bool wants_pause() const;
  // Whether the node's address is to stay the same.
  bool wants_address(const NodeSpec& node) const { return spec.static_ips || !node.ip.empty(); }
  bool wants_addresses() const;  // of any node
  // Whether it is to have add-ons, or may have some that are to go.
  bool has_addons() const;
  const NodeSpec* find_node(std::string_view name) const;
  const NodeSpec& master() const;  // parse_vk8s() made sure there is one
};

Result<Vk8s> parse_vk8s(const Json& object);

Json to_json(const Vk8sStatus& status);
Vk8sStatus parse_vk8s_status(const Json& status);

std::string_view to_string(ConditionStatus status);
// Replaces the condition of that type. Its transition time is `now`, or stays
// where the status stays.
void set_condition(std::vector<Condition>& conditions, Condition condition, std::string_view now);
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type);

}  // namespace vk8s::api
