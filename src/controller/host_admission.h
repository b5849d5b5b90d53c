// Asks the host's API server, without creating anything, whether it takes what
// a cluster consists of: Pod Security, quota, LimitRange, webhooks and node
// ports speak before anything exists, and say why a pod does not come that a
// StatefulSet wants.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/wall_time.h"
#include "controller/batch_client.h"
#include "controller/cluster.h"
#include "controller/problem.h"
#include "controller/world.h"

namespace vk8s::controller {

// A pod that is not there after so long is asked about; and so often from then
// on.
inline constexpr std::chrono::seconds kPodPatience{5};
inline constexpr std::chrono::seconds kPodInterval{10};
// Of a StatefulSet whose pod was refused and would be taken now: written to
// wake its controller, which by then looks every few minutes only.
inline constexpr std::string_view kWokenAnnotation = "vk8s.sktelecom.com/woken-at";

// Any thread but the loop's.
class HostAdmission {
 public:
  using Now = std::function<base::WallTime()>;

  // client outlives it.
  HostAdmission(BatchClient& client, Now now) : client_(client), now_(std::move(now)) {}

  // What the host has against the pods and volumes of these StatefulSets, which
  // need not exist; by node name.
  std::map<std::string, Problem> try_nodes(const Cluster& cluster,
                                           const std::vector<World::Object>& stateful_sets);
  // Likewise against the Service of spec.ports.
  std::optional<Problem> try_ports(const Cluster& cluster);

  // Of StatefulSets that lack their pod: asks about those that have for a
  // while.
  struct Outcome {
    std::map<std::string, Problem> problems;    // by node name
    std::optional<std::chrono::seconds> again;  // when to look again; none where none lacks its pod
  };
  Outcome explain(const Cluster& cluster, const std::vector<World::Object>& without_pod);
  void forget(const kube::ObjectKey& cluster);

 private:
  struct Missing {
    base::WallTime next;  // when to ask (again)
    std::optional<Problem> problem;
  };
  void wake(const Cluster& cluster, const std::vector<std::string>& nodes);

  BatchClient& client_;
  Now now_;
  std::mutex mutex_;
  // Guarded by mutex_: by cluster, then node.
  std::map<kube::ObjectKey, std::map<std::string, Missing>> missing_;
};

// What the host's API server says of spec.ports, as a problem of these.
Problem ports_problem(Problem problem);

}  // namespace vk8s::controller
