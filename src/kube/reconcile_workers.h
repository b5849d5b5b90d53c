// Threads that take keys from a WorkQueue and reconcile them.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "kube/work_queue.h"

namespace vk8s::kube {

// What reconciling one key came to.
struct ReconcileResult {
  // > 0: look at it again after this time, changed or not.
  std::chrono::milliseconds requeue_after{0};
};

// An error that a retry can help comes back with growing delay; after another one
// the key comes back when the object changes, or after the queue's longest delay
// (its cause may lie elsewhere: a quota, a role).
using Reconcile = std::function<Result<ReconcileResult>(const ObjectKey&)>;

class ReconcileWorkers {
 public:
  // Starts `count` threads named "<name>-<n>" (cut to 15 characters). queue
  // outlives them.
  ReconcileWorkers(WorkQueue& queue, int count, std::string name, Reconcile reconcile, Log log);
  // Shuts the queue down and waits for the work in hand.
  ~ReconcileWorkers();
  ReconcileWorkers(const ReconcileWorkers&) = delete;
  ReconcileWorkers& operator=(const ReconcileWorkers&) = delete;

 private:
  void work();

  WorkQueue& queue_;
  const Reconcile reconcile_;
  Log log_;
  std::vector<std::thread> threads_;
};

// One key's turn: reconcile, then forget, requeue or back off. For tests too.
void reconcile_one(WorkQueue& queue, const ObjectKey& key, const Reconcile& reconcile,
                   const Log& log);

}  // namespace vk8s::kube
