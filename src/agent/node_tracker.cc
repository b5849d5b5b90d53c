#include "agent/node_tracker.h"

#include <fmt/format.h>

#include <algorithm>

namespace vk8s::agent {
namespace {

// The components that Ready waits for, in the order they become ready.
bool is_on_the_way_to_ready(const api::ComponentStatus& component) {
  return component.name != "coredns" && component.name != "pause-image";
}

bool is_coming_back(const api::ComponentStatus& component) {
  return component.state == api::ComponentState::kWaiting ||
         component.state == api::ComponentState::kStarting;
}

// node_ready is what was seen last: without etcd and the API server nothing newer comes.
const api::ComponentStatus* find_failing(const std::vector<api::ComponentStatus>& components,
                                         bool node_ready) {
  const auto found = std::find_if(components.begin(), components.end(), [&](const auto& component) {
    return component.state == api::ComponentState::kBackoff ||
           (node_ready && is_coming_back(component) &&
            (component.name == "etcd" || component.name == "kube-apiserver"));
  });
  return found == components.end() ? nullptr : &*found;
}

std::string failure_message(const api::ComponentStatus& component) {
  return fmt::format("{} ended ({}) and is restarted ({} times so far){}{}", component.name,
                     component.last_exit, component.restarts,
                     component.last_lines.empty() ? "" : ": ",
                     component.last_lines.empty() ? "" : component.last_lines.back());
}

std::string describe_step(const std::vector<api::ComponentStatus>& components,
                          const NodeObservation& node) {
  std::vector<std::string> starting;
  for (const api::ComponentStatus& component : components) {
    if (component.state == api::ComponentState::kStarting) {
      starting.push_back(component.name);
    }
  }
  if (!starting.empty()) {
    return fmt::format("starting {}", fmt::join(starting, ", "));
  }
  return node.exists ? "waiting for the kubelet to report Ready"
                     : "waiting for the kubelet to register the node";
}

int percent_done(const std::vector<api::ComponentStatus>& components, const NodeObservation& node) {
  // The Node's registration and its Ready condition are two more steps.
  int steps = 2;
  int done = (node.exists ? 1 : 0) + (node.ready ? 1 : 0);
  for (const api::ComponentStatus& component : components) {
    if (is_on_the_way_to_ready(component)) {
      ++steps;
      done += component.state == api::ComponentState::kRunning ? 1 : 0;
    }
  }
  return 100 * done / steps;
}

}  // namespace

NodeObservation observe_node(const Json& node) {
  NodeObservation observed{.exists = true, .ready = false, .message = {}};
  observed.kubelet_version =
      std::string(base::get_string(node, "status.nodeInfo.kubeletVersion").value_or(""));
  observed.pod_cidr = std::string(base::get_string(node, "spec.podCIDR").value_or(""));
  const JsonArray* conditions = base::get_array(node, "status.conditions");
  for (std::size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    const Json& condition = (*conditions)[i];
    if (base::get_string(condition, "type") == "Ready") {
      observed.ready = base::get_string(condition, "status") == "True";
      observed.message = std::string(base::get_string(condition, "message").value_or(""));
    }
  }
  return observed;
}

api::NodeStatus summarize(const api::NodeConfig& config,
                          const std::vector<api::ComponentStatus>& components,
                          const NodeObservation& node, bool stopping,
                          const std::string& network_trouble) {
  api::NodeStatus status{.node = config.node_name, .role = config.role};
  status.components = components;
  status.kubelet_version = node.kubelet_version;
  const api::ComponentStatus* failing = find_failing(components, node.ready && !stopping);
  if (failing != nullptr) {
    status.message = failure_message(*failing);
  } else if (!node.ready) {
    status.message = node.message;
  } else {
    status.message = network_trouble;
  }
  if (stopping) {
    status.phase = api::NodePhase::kStopping;
    status.step = "stopping";
  } else if (node.ready) {
    status.phase = failing == nullptr ? api::NodePhase::kReady : api::NodePhase::kDegraded;
    status.step = "ready";
    status.percent = 100;
  } else {
    status.phase = api::NodePhase::kStarting;
    status.step = describe_step(components, node);
    status.percent = percent_done(components, node);
  }
  return status;
}

void NodeTracker::update(const std::vector<api::ComponentStatus>& components) {
  components_ = components;
  refresh();
}

void NodeTracker::update(const NodeObservation& node) {
  node_ = node;
  refresh();
}

void NodeTracker::set_network_trouble(std::string message) {
  network_trouble_ = std::move(message);
  refresh();
}

void NodeTracker::stopping() {
  stopping_ = true;
  refresh();
}

void NodeTracker::refresh() {
  api::NodeStatus status = summarize(config_, components_, node_, stopping_, network_trouble_);
  status.since = status.phase == status_.phase && status_.since != base::WallTime()
                     ? status_.since
                     : std::chrono::system_clock::now();
  if (status == status_) {
    return;
  }
  status_ = std::move(status);
  // A follower may go while one is told.
  for (auto next = followers_.begin(); next != followers_.end();) {
    const int id = next->first;
    const Follower follower = next->second;
    follower(id, status_);
    next = followers_.upper_bound(id);
  }
}

int NodeTracker::follow(Follower follower) {
  followers_.emplace(++last_id_, std::move(follower));
  return last_id_;
}

void NodeTracker::unfollow(int id) { followers_.erase(id); }

}  // namespace vk8s::agent
