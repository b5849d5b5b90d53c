// Follows one Vk8s by a watch.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/cluster_view.h"
#include "cli/host_api.h"

namespace vk8s::cli {

struct FollowOptions {
  std::chrono::duration<double> timeout{0};  // 0 = without end
  std::chrono::milliseconds tick{0};         // > 0: on_tick is called so often
  std::function<void()> on_tick;
};

// Called with each state of the cluster, the present one first, and with nullptr when
// it is gone. A value ends the following.
using OnClusterState = std::function<std::optional<Status>(const ClusterView* cluster)>;

// Runs the loop until on_state gives a value, and returns it. kNotFound: there is no
// such cluster at the start; kTimeout; kCancelled after SIGINT or SIGTERM.
Status follow_cluster(HostApi& api, const std::string& name, const FollowOptions& options,
                      const OnClusterState& on_state);

// Until it is Running: kUnavailable with the cluster's own words for Fail, kNotFound
// if it is deleted meanwhile. on_change, if any, is told of each state.
Status wait_until_running(HostApi& api, const std::string& name,
                          std::chrono::duration<double> timeout,
                          const std::function<void(const ClusterView&)>& on_change);

// The outcome of a state for one who waits for Running; nothing while it is undecided.
std::optional<Status> outcome_of(const std::string& name, const ClusterView* cluster);

}  // namespace vk8s::cli
