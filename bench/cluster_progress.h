// How far the controller has come with all clusters, followed by watches.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "kube/client.h"
#include "kube/informer.h"

namespace vk8s::bench {

// On the loop's thread. client outlives it.
class ClusterProgress {
 public:
  ClusterProgress(Timers& timers, kube::Client& client);
  ~ClusterProgress();

  bool has_synced() const { return clusters_.has_synced() && stateful_sets_.has_synced(); }
  // Clusters whose status is of the spec there is, by .status.phase.
  int in_phase(std::string_view phase) const;
  int stateful_sets() const { return static_cast<int>(stateful_sets_.store().size()); }
  // .status.message of one that is in phase Fail; "" where none is.
  std::string failure() const { return in_phase("Fail") > 0 ? failure_ : std::string(); }

 private:
  void take(const Json& vk8s);

  kube::Informer clusters_;
  kube::Informer stateful_sets_;
  std::map<std::string, std::string, std::less<>> phases_;  // by cluster
  std::map<std::string, int, std::less<>> counts_;          // by phase
  std::string failure_;
};

}  // namespace vk8s::bench
