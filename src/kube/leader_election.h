// One of several replicas at a time, by a Lease (coordination.k8s.io/v1).
//
// As client-go's tools/leaderelection: a holder renews every retry_period; who has
// not managed to for renew_deadline stops being leader; others take over when they
// have seen the lease unchanged for lease_duration by their own clock (clocks of
// different machines are never compared). lease_duration > renew_deadline >
// retry_period.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::kube {

struct LeaderElectionOptions {
  ObjectKey lease;
  std::string identity;  // of this replica: unique, and new at each start
  std::chrono::milliseconds lease_duration = std::chrono::seconds(15);
  std::chrono::milliseconds renew_deadline = std::chrono::seconds(10);
  std::chrono::milliseconds retry_period = std::chrono::seconds(2);
};

// Called on the loop's thread.
struct LeaderCallbacks {
  std::function<void()> on_started;  // this replica leads
  // It does not lead any more: act at once (as a rule, end the process), since
  // another one may begin within lease_duration - renew_deadline.
  std::function<void()> on_stopped;
  std::function<void(const std::string& identity)> on_new_leader;
};

// On the loop's thread, but is_leader(): any. client outlives it.
class LeaderElector {
 public:
  LeaderElector(Timers& timers, Client& client, LeaderElectionOptions options,
                LeaderCallbacks callbacks, Log log);
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  void start();
  // Gives the lease back if it is held, so that the next one need not wait; then
  // calls done (also when that failed). on_stopped is not called.
  void stop(std::function<void()> done);

  bool is_leader() const { return leading_.load(); }

 private:
  void attempt();
  void read_lease();
  void take_lease(Json lease);
  void write_lease(Json lease, bool is_new);
  void end_attempt(Result<Json> written);
  void observe(const Json& lease);
  void schedule();
  void lead();
  void cancel();
  void step_down(std::string_view why);
  void fill_spec(Json& lease, bool is_held) const;
  bool is_own(const Json& lease) const;

  Timers& timers_;
  Client& client_;
  const LeaderElectionOptions options_;
  LeaderCallbacks callbacks_;
  Log log_;
  std::atomic<bool> leading_ = false;
  bool running_ = false;

  Call call_;
  Registration retry_timer_;
  Registration attempt_timer_;   // one attempt must leave time for another
  Registration deadline_timer_;  // of the leader's next renewal
  std::minstd_rand random_;
  std::optional<Json> observed_;   // the lease as last seen ...
  Timers::TimePoint observed_at_;  // ... and since when it has looked like that
  Timers::TimePoint attempt_start_;
  std::string reported_leader_;
  std::function<void()> stopped_;
};

}  // namespace vk8s::kube
