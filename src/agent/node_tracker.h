// The node's status as a whole, and who follows it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/supervisor.h"
#include "api/node_config.h"
#include "api/node_status.h"
#include "base/json.h"
#include "base/wall_time.h"

namespace vk8s::agent {

// What the Node object says of itself.
struct NodeObservation {
  bool exists = false;
  bool ready = false;
  std::string message;  // of the Ready condition, while it is not true
  std::string kubelet_version;
  std::string pod_cidr;
};

// Pure.
NodeObservation observe_node(const Json& node);

// The status that components and the Node object amount to. Pure.
api::NodeStatus summarize(const api::NodeConfig& config,
                          const std::vector<api::ComponentStatus>& components,
                          const NodeObservation& node, bool stopping,
                          const std::string& network_trouble = {});

// Keeps the latest status and tells followers of each change. One thread: the
// loop's.
class NodeTracker {
 public:
  using Follower = std::function<void(int id, const api::NodeStatus&)>;

  explicit NodeTracker(const api::NodeConfig& config) : config_(config) {}

  void update(const std::vector<api::ComponentStatus>& components);
  void update(const NodeObservation& node);
  // What is wrong between the nodes while this one is Ready; "" = nothing.
  void set_network_trouble(std::string message);
  void stopping();

  const api::NodeStatus& status() const { return status_; }
  bool is_ready() const { return status_.phase == api::NodePhase::kReady; }

  // Told of each change, with the id that follow() gave, until unfollow(id).
  int follow(Follower follower);
  void unfollow(int id);

 private:
  void refresh();

  const api::NodeConfig& config_;
  std::vector<api::ComponentStatus> components_;
  NodeObservation node_;
  std::string network_trouble_;
  bool stopping_ = false;
  api::NodeStatus status_;
  std::map<int, Follower> followers_;
  int last_id_ = 0;
};

}  // namespace vk8s::agent
