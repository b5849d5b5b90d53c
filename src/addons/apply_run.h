// Applies the objects of a plan: each as soon as what it needs holds, with a back-off of
// its own, until all are there and ready. Knows nothing of what was there before; what
// a predecessor has done it finds done. On the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "addons/apply_task.h"
#include "addons/cluster_watch.h"
#include "addons/kind_resolver.h"
#include "addons/plan.h"
#include "addons/readiness.h"
#include "base/log.h"
#include "kube/backoff.h"

namespace vk8s::addons {

struct ApplyRunOptions {
  std::size_t max_in_flight = 16;
  std::chrono::milliseconds first_backoff{200};  // of an error that time heals
  std::chrono::milliseconds max_backoff{30'000};
  std::chrono::milliseconds refused_backoff{300'000};  // of another one
  // A webhook that still has no caBundle then counts as ready for those that wait for it.
  std::chrono::milliseconds ca_patience{30'000};
};

// How one object stands.
struct ItemState {
  enum class Progress { kWaiting, kBusy, kBackingOff, kApplied };
  Progress progress = Progress::kWaiting;
  std::optional<Error> error;  // why it was not applied when that was tried last
  bool is_refused = false;     // and time will not heal it
  bool is_ready = false;       // applied, and as ready as its kind can be
  std::string message;         // what an applied one is not ready for
  // Once applied:
  bool is_foreign = false;
  bool is_created = false;
  std::string note;
  std::vector<KeptField> kept;
};

class ApplyRun {
 public:
  // on_change is called, from the loop, after something has changed; it may not delete
  // the run. timers and client outlive it.
  ApplyRun(Timers& timers, kube::Client& client, std::shared_ptr<const Plan> plan,
           std::string set_name, ApplyRunOptions options, Log log, std::function<void()> on_change);
  ~ApplyRun();
  ApplyRun(const ApplyRun&) = delete;
  ApplyRun& operator=(const ApplyRun&) = delete;

  void start();

  const std::vector<ItemState>& items() const { return states_; }
  bool is_applied() const;
  bool is_ready() const;
  // "waits for Deployment a/b: 0 of 1 pods are ...", of one that waits for others.
  std::string describe_wait(std::size_t item) const;

 private:
  struct Work {
    std::unique_ptr<ApplyTask> task;
    Registration retry;
    unsigned attempts = 0;
    std::string uid;
    std::int64_t generation = 0;
    Timers::TimePoint applied_at;
  };

  const Manifest& manifest(std::size_t item) const { return plan_->manifest(item); }
  void wake();
  void pump();
  void look_at(std::size_t item);
  Readiness readiness_of_item(std::size_t item) const;
  std::string missing_endpoints(std::size_t item) const;
  // Good enough for those that wait for it.
  bool is_usable(std::size_t item) const;
  bool holds(const Need& need) const;
  bool can_begin(std::size_t item) const;
  bool is_known_absent(std::size_t item) const;

  void begin(std::size_t item);
  void begin_as(std::size_t item, const kube::Resource& resource);
  void end(std::size_t item, Result<ApplyOutcome> outcome);
  void take_outcome(std::size_t item, ApplyOutcome outcome);
  void back_off(std::size_t item, Error error);
  void forget(const ObjectId& id, const std::string& uid);

  Timers& timers_;
  kube::Client& client_;
  const std::shared_ptr<const Plan> plan_;
  const std::string set_name_;
  const ApplyRunOptions options_;
  Log log_;
  const std::function<void()> on_change_;
  KindResolver resolver_;
  std::vector<ItemState> states_;
  std::vector<Work> work_;
  std::map<ObjectId, std::size_t> by_id_;
  std::size_t in_flight_ = 0;
  kube::Backoff backoff_;
  // Over, but perhaps on the stack.
  std::vector<std::unique_ptr<ApplyTask>> ended_;
  Registration wake_;
  Registration patience_;
  ClusterWatch watch_;
};

}  // namespace vk8s::addons
