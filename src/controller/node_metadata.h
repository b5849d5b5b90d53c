// Labels and taints of spec.nodes[], kept on the Nodes of a running cluster. A
// kubelet sets them only when it makes its Node; edits are brought there by this.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/wall_time.h"
#include "controller/inner_cluster.h"
#include "controller/observation.h"

namespace vk8s::controller {

// The merge patch by which this Node gets the labels and taints of the spec and
// loses those that an earlier spec had (api::kFromSpecAnnotation); nothing if it is
// right. Others' labels and taints stay, and so does what Kubernetes and the agents
// keep themselves. It holds for this version of the Node only. Pure.
std::optional<Json> node_metadata_patch(const api::NodeSpec& wanted, const Json& node);

class NodeMetadata {
 public:
  using Now = std::function<base::WallTime()>;

  // inner outlives it.
  NodeMetadata(InnerClusters& inner, Now now) : inner_(inner), now_(std::move(now)) {}

  // Looks at the Nodes of nodes that are ready, once for each pod and spec. What is
  // wrong with the first that could not be brought there; "" = nothing. The
  // cluster's API server answers. Any thread but the loop's.
  std::string ensure(const Cluster& cluster, const std::vector<NodeObservation>& seen);
  void forget(const kube::ObjectKey& cluster);

 private:
  struct Known {
    std::string wanted;    // labels and taints as the spec had them, and the pod
    std::string trouble;   // "" = they are there
    base::WallTime until;  // when to try again
  };
  struct Due {
    const api::NodeSpec* node;
    Known outcome;
  };
  // Under mutex_.
  std::vector<Due> find_due(const Cluster& cluster, const std::vector<NodeObservation>& seen,
                            std::map<std::string, Known>& known) const;
  void write(const kube::ObjectKey& cluster, std::vector<Due>& due);

  InnerClusters& inner_;
  Now now_;
  std::mutex mutex_;
  // Guarded by mutex_: by cluster, then node. Only of nodes that are ready.
  std::map<kube::ObjectKey, std::map<std::string, Known>> known_;
};

}  // namespace vk8s::controller
