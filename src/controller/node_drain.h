// How a node leaves a cluster: no new pods on it, its pods evicted, its own pod
// stopped, its Node object deleted, then its StatefulSet, Secret and volume. And how it
// is emptied before its pod is replaced, and taken back afterwards. One step at a time,
// from what is there: a controller that is born half-way goes on.
// Source: kubectl drain (k8s.io/kubectl/pkg/drain).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/wall_time.h"
#include "controller/batch_client.h"
#include "controller/inner_cluster.h"
#include "controller/problem.h"

namespace vk8s::controller {

// Of a node's StatefulSet: since when the node is being drained.
inline constexpr std::string_view kDrainingAnnotation = "vk8s.sktelecom.com/draining-since";
// Of a Node inside: it was cordoned here, and not by its owner before.
inline constexpr std::string_view kCordonedAnnotation = "vk8s.sktelecom.com/cordoned";
// After so long the node is stopped, whatever still runs on it.
inline constexpr std::chrono::seconds kDrainLimit{120};

// Why a node is emptied.
enum class Drain {
  kToRemove,   // nothing of it will be left
  kToReplace,  // it comes back: a pod that nobody would make anew stays, and so starts there again
};

// Of these pods (a PodList), those that must go before the node may. Pods of
// DaemonSets, static pods and pods that have ended stay. The list is the word of a
// virtual cluster: what is no pod's name counts as no pod. Pure.
struct PodToEvict {
  kube::ObjectKey key;
  bool is_leaving = false;  // evicted already
};
std::vector<PodToEvict> pods_to_evict(const Json& pod_list, Drain why);

class NodeDrain {
 public:
  using Now = std::function<base::WallTime()>;

  // All outlive it.
  NodeDrain(BatchClient& host, InnerClusters& inner, Now now)
      : host_(host), inner_(inner), now_(std::move(now)) {}

  struct Progress {
    std::string waits_for;  // "" = done
    bool timed_out = false;
    std::string timed_out_on;
    bool stopped = false;  // no pod runs for it any more, or comes
  };
  // The next step for the node of this StatefulSet of the host. Done: the node is out
  // of the cluster, and its objects on the host may go. Not before: its Node and its
  // part of the pod network are the StatefulSet's for so long. has_pod: on the host.
  // answers: the API server inside. Any thread but the loop's.
  OrProblem<Progress> remove(const Cluster& cluster, const Json& stateful_set, bool has_pod,
                             bool answers);
  // The same for a node whose pod is about to be replaced; its Node object stays.
  OrProblem<Progress> empty(const Cluster& cluster, const Json& stateful_set);
  // Pods may come to it again, unless its owner had cordoned it before. Nothing happens
  // unless empty() was called for it.
  std::optional<Problem> take_back(const Cluster& cluster, const Json& stateful_set);

 private:
  OrProblem<std::chrono::seconds> time_draining(const Cluster& cluster, const Json& stateful_set);
  Result<Json> ask(const kube::ObjectKey& cluster, BatchClient::Request request);
  std::string evict_pods(const Cluster& cluster, const std::string& name, Drain why);
  std::string remove_node(const Cluster& cluster, const std::string& node);

  BatchClient& host_;
  InnerClusters& inner_;
  Now now_;
};

}  // namespace vk8s::controller
