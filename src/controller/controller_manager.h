// The running controller: caches, queue, workers, agents, leader election.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/event_loop.h"
#include "base/log.h"
#include "controller/addon_keeper.h"
#include "controller/address_index.h"
#include "controller/address_keeper.h"
#include "controller/address_methods.h"
#include "controller/agent_listener.h"
#include "controller/batch_client.h"
#include "controller/cached_world.h"
#include "controller/calico_reservation.h"
#include "controller/inner_cluster.h"
#include "controller/metrics.h"
#include "controller/patient_inner_clusters.h"
#include "controller/reconciler.h"
#include "controller/registry_addon_sets.h"
#include "ipmanager/allocator.h"
#include "ipmanager/sweeper.h"
#include "kube/events.h"
#include "kube/leader_election.h"
#include "kube/reconcile_workers.h"
#include "kube/work_queue.h"

namespace vk8s::controller {

struct ManagerOptions {
  Settings settings;
  int workers = 4;
  bool leader_elect = false;
  std::string lease_namespace;  // of the Lease, if leader_elect
  std::string identity;         // of this replica: unique, new at each start
  ipmanager::SweeperOptions sweeper;
};

// On the loop's thread. Everything passed in outlives it.
class ControllerManager {
 public:
  ControllerManager(EventLoop& loop, kube::Client& client, http::Client& agents_client,
                    ManagerOptions options, Log log);
  // After stop() has called back, or where start() was never called.
  ~ControllerManager();

  // on_lost: this replica led and leads no more; the process is to end.
  void start(std::function<void()> on_lost);
  // Ends the work in hand, gives the lease back, then calls on_stopped.
  void stop(std::function<void()> on_stopped);

  // Caches filled, whether it leads or waits for its turn. Any thread.
  bool is_ready() const { return world_.has_synced(); }
  Metrics& metrics() { return metrics_; }

 private:
  void begin_work();
  ipmanager::Allocator::Handlers address_handlers();
  void reserve_if_outside(const api::IpAllocation& allocation);
  void wake_waiting();
  void wake_who_want_addresses();
  std::optional<ClaimedAddresses> claimed_addresses();
  void sweep_if_gone(const kube::ObjectKey& cluster);
  Result<kube::ReconcileResult> reconcile(const kube::ObjectKey& key);

  EventLoop& loop_;
  kube::Client& client_;
  ManagerOptions options_;
  Log log_;
  Metrics metrics_;
  kube::WorkQueue queue_;
  BatchClient batch_;
  CachedWorld world_;
  AgentListener agents_;
  DialledInnerClusters dialled_inner_;
  PatientInnerClusters inner_;
  AddressIndex address_index_;
  ipmanager::Allocator allocator_;
  ipmanager::BlockingAllocator blocking_allocator_;
  ipmanager::Sweeper sweeper_;
  AddressMethods address_methods_;
  AddressKeeper addresses_;
  CalicoReservation reservation_;
  RegistryAddonSets addon_sets_;
  AddonKeeper addons_;
  kube::EventRecorder events_;
  Reconciler reconciler_;
  std::unique_ptr<kube::ReconcileWorkers> workers_;
  std::optional<kube::LeaderElector> elector_;
  bool stopping_ = false;
  bool leads_ = false;
  std::function<void()> on_stopped_;
  std::thread joiner_;  // waits for workers, who wait for the loop
};

}  // namespace vk8s::controller
