// What is seen of a cluster's nodes: their pods, and what their agents say. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/vk8s.h"
#include "controller/cluster.h"
#include "controller/world.h"

namespace vk8s::controller {

// The part of an agent's status that a cluster's status shows. Its texts have
// been cut and cleaned (api::parse_node_status): they may be shown.
struct AgentReport {
  bool ready = false;
  bool stopping = false;
  std::string text;  // what goes on, or what is wrong
  int percent = 0;
  std::string kubelet_version;
  bool operator==(const AgentReport&) const = default;
};

struct NodeObservation {
  std::string name;
  api::NodeRole role = api::NodeRole::kMaster;
  bool has_pod = false;
  bool is_leaving = false;  // the pod is being deleted
  bool pod_ready = false;
  bool is_outdated = false;  // the pod is of an earlier revision of its StatefulSet
  bool is_current = false;   // of its latest, as far as that is settled
  bool has_started = false;  // the pod's agent runs, or has run
  std::string image;         // of its agent; "" = not known
  std::string pod_uid;
  std::string pod_ip;
  std::string reserved_ip;  // the fixed address that is the node's; "" = none
  std::string ignored_ip;   // the one its pod asks for and has not been given; "" = none
  std::string host_node;    // where the pod runs
  std::string trouble;      // why the pod does not run: image, scheduling, crash
  std::optional<AgentReport> agent;

  bool is_ready() const { return has_pod && !is_leaving && (pod_ready || (agent && agent->ready)); }
};

// From the node's StatefulSet and pod, either of which may be null.
NodeObservation observe_node(const api::NodeSpec& node, const Json* stateful_set, const Json* pod);

// The Kubernetes version that runs, of the master and its StatefulSet (may be null):
// the newer of what its kubelet says and what is in the image that has been started,
// for a kubelet's word comes late. "" = not known.
std::string running_version(const Settings& settings, const NodeObservation& master,
                            const Json* stateful_set);

// What a cluster of that version has come to, of which now this one is seen ("" = none):
// never an older minor version, for etcd keeps what the newest has written.
std::string reached_version(const std::string& before, const std::string& seen);

// What the nodes ask for and no node of the host has, such as GPUs; "" = nothing.
std::string missing_resources(const api::Vk8s& vk8s, const World& world);

// All of the host's nodes that a cluster's preconditions, its names and its missing
// resources depend on, as text that changes with it.
std::string host_facts(const World& world);

// Internal addresses of the host's ready nodes, sorted, at most 16: names of the API
// servers' certificates.
std::vector<std::string> host_addresses(const World& world);

}  // namespace vk8s::controller
