#include "kube/reconcile_workers.h"

#include <pthread.h>

namespace vk8s::kube {

void reconcile_one(WorkQueue& queue, const ObjectKey& key, const Reconcile& reconcile,
                   const Log& log) {
  const Result<ReconcileResult> result = reconcile(key);
  const std::string name =
      key.namespace_name.empty() ? key.name : key.namespace_name + "/" + key.name;
  if (result) {
    queue.forget(key);
    if (result->requeue_after.count() > 0) {
      queue.add_after(key, result->requeue_after);
    }
  } else if (result.error().is_retryable()) {
    log.warning("reconcile failed, will be retried",
                {{"object", name}, {"error", result.error().message()}});
    queue.add_rate_limited(key);
  } else {
    log.error("reconcile failed", {{"object", name}, {"error", result.error().message()}});
    queue.forget(key);
    queue.add_after(key, queue.max_delay());
  }
  queue.done(key);
}

ReconcileWorkers::ReconcileWorkers(WorkQueue& queue, int count, std::string name,
                                   Reconcile reconcile, Log log)
    : queue_(queue), reconcile_(std::move(reconcile)), log_(std::move(log)) {
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this] { work(); });
    const std::string thread_name = fmt::format("{}-{}", name, i).substr(0, 15);
    ::pthread_setname_np(threads_.back().native_handle(), thread_name.c_str());
  }
}

ReconcileWorkers::~ReconcileWorkers() {
  queue_.shut_down();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void ReconcileWorkers::work() {
  while (const auto key = queue_.get()) {
    reconcile_one(queue_, *key, reconcile_, log_);
  }
}

}  // namespace vk8s::kube
