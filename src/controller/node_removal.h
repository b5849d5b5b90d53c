// How a node leaves a cluster: no new pods on it, its pods evicted, its Node
// object deleted, then its StatefulSet, Secret and volume. One step at a time,
// from what is there: a controller that is born half-way goes on.
// Source: kubectl drain (k8s.io/kubectl/pkg/drain).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/wall_time.h"
#include "controller/batch_client.h"
#include "controller/inner_cluster.h"
#include "controller/problem.h"

namespace vk8s::controller {

// Of a node's StatefulSet: since when the node is being drained.
inline constexpr std::string_view kDrainingAnnotation = "vk8s.sktelecom.com/draining-since";
// After so long the node goes, whatever still runs on it.
inline constexpr std::chrono::seconds kDrainLimit{120};

// Of these pods (a PodList), those that must go before the node may. Pods of
// DaemonSets, static pods and pods that have ended stay. Pure.
struct PodToEvict {
  kube::ObjectKey key;
  bool is_leaving = false;  // evicted already
};
std::vector<PodToEvict> pods_to_evict(const Json& pod_list);

class NodeRemoval {
 public:
  using Now = std::function<base::WallTime()>;

  // All outlive it.
  NodeRemoval(BatchClient& host, InnerClusters& inner, Now now)
      : host_(host), inner_(inner), now_(std::move(now)) {}

  // The next step for the node of this StatefulSet of the host. Empty: the node
  // is out of the cluster, and its objects on the host may go. Any thread but the
  // loop's.
  struct Progress {
    std::string waits_for;  // "" = done
    bool timed_out = false;
  };
  OrProblem<Progress> advance(const Cluster& cluster, const Json& stateful_set);

 private:
  OrProblem<std::chrono::seconds> time_draining(const Cluster& cluster, const Json& stateful_set);
  std::string drain(const Cluster& cluster, const std::string& node);

  BatchClient& host_;
  InnerClusters& inner_;
  Now now_;
};

}  // namespace vk8s::controller
