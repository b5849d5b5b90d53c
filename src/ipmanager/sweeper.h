// Tidies up behind allocators and pods, and says how the pools stand:
//   - deletes allocations that were given back, once no pod has their address;
//   - gives back those of nodes whose Vk8s is gone, once their pods are;
//   - of several for one pod (an allocator died in between) gives back all but one;
//   - writes VNodeIPPool.status.
// Any number may run at once: each act is on condition that nobody has written to the
// object since, and what one has done the others find done. What is true of clusters
// and pods is asked of the API server itself, never of a cache.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipmanager/allocator.h"
#include "ipmanager/pool_status.h"
#include "ipmanager/sweep_round.h"

namespace vk8s::ipmanager {

struct SweeperOptions {
  std::chrono::milliseconds period = std::chrono::seconds(10);
  // How long it looks at several addresses of one pod before it acts: whoever has made
  // them mostly does by himself.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
  // How many clusters with addresses are asked for in a round; others are in the next.
  std::size_t clusters_a_round = 100;
};

class Sweeper {
 public:
  // Before the allocator is started. What is passed in outlives it. On the loop's
  // thread, all of it.
  Sweeper(Timers& timers, kube::Client& client, Allocator& allocator, Log log,
          SweeperOptions options = {});
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  void start();
  void stop();
  // Their Vk8s has gone, or a pod of it: they are looked at soon, and not in their turn.
  void look_at(const std::vector<IpAddress>& addresses);

 private:
  void wake(std::chrono::milliseconds delay);
  void begin_round();
  void end_round(std::size_t acts);
  std::vector<api::IpAllocation> next_of_clusters();
  // Without those that are in the list already.
  void add_urgent(std::vector<api::IpAllocation>& out);
  std::vector<std::vector<api::IpAllocation>> find_crowded();

  Timers& timers_;
  kube::Client& client_;
  Allocator& allocator_;
  Log log_;
  const SweeperOptions options_;
  PoolStatusWriter status_;
  // The allocator's handlers look whether this one is still there.
  std::shared_ptr<Sweeper*> self_;

  bool is_running_ = false;
  bool is_woken_ = false;  // while a round ran
  Registration timer_;
  Timers::TimePoint due_;
  std::optional<IpAddress> cursor_;
  std::set<IpAddress> urgent_;                              // out of turn
  std::map<std::string, Timers::TimePoint> crowded_since_;  // by owner
  std::unique_ptr<SweepRound> round_;
  Registration end_timer_;
};

}  // namespace vk8s::ipmanager
