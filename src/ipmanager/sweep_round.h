// One round of the Sweeper: looks at the clusters and the pods as they are now, then
// acts. Internal; on the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/ip_allocation.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

// What of the allocations may be to be swept, as the cache has it before the round.
// All that is done is on condition that nobody has written to the object since.
struct SweepPlan {
  std::vector<api::IpAllocation> releasing;
  // Of nodes of Vk8s that are to be looked for.
  std::vector<api::IpAllocation> of_clusters;
  // Claims of one owner each, in their order: the first stands.
  std::vector<std::vector<api::IpAllocation>> crowded;
};

// Which pods have which addresses, or may be given them at any moment: those that their
// annotation names, and those that their kubelet has reported, while the pod has not ended
// and has a network of its own.
class PodsWithAddresses {
 public:
  void add(const Json& pod);

  bool carries(const api::IpOwner& owner, const IpAddress& address) const;
  bool is_carried(const IpAddress& address) const;

 private:
  void add(const std::string& pod, std::string_view address);

  std::set<std::pair<std::string, IpAddress>> by_pod_;  // "team-a/demo-0"
  std::set<IpAddress> carried_;
};

class SweepRound {
 public:
  // done is told how much was done; it may not delete the round.
  SweepRound(kube::Client& client, Log log, SweepPlan plan, std::function<void(std::size_t)> done);

  void start();

 private:
  struct ClusterKey {
    std::string namespace_name;
    std::string name;
    std::string uid;
    auto operator<=>(const ClusterKey&) const = default;
  };

  static ClusterKey cluster_of(const api::IpAllocation& allocation);
  void look_for_clusters();
  void take_cluster(const ClusterKey& key, const Result<Json>& vk8s);
  void list_pods(const std::string& continue_token);
  void take_pods(const Result<Json>& list);
  void act();
  void keep_one(const std::vector<api::IpAllocation>& claims, const api::IpAllocation& stands);
  void release(const api::IpAllocation& allocation, const char* why);
  void remove(const api::IpAllocation& allocation);
  // Of a write: one fewer to wait for.
  void take_written(const api::IpAllocation& allocation, const char* why,
                    const Result<Json>& answer);
  void end_if_idle();

  kube::Client& client_;
  Log log_;
  const SweepPlan plan_;
  std::function<void(std::size_t)> done_;

  std::set<ClusterKey> unknown_;
  std::set<ClusterKey> gone_;
  PodsWithAddresses pods_;
  std::size_t waiting_ = 0;
  std::size_t acts_ = 0;
  std::vector<kube::Call> calls_;
  kube::Call list_call_;
};

}  // namespace vk8s::ipmanager
