#include "kube/leader_election.h"

#include "base/wall_time.h"

namespace vk8s::kube {
namespace {

std::string holder_of(const Json& lease) {
  return std::string(base::get_string(lease, "spec.holderIdentity").value_or(""));
}

const Json* spec_of(const Json& lease) { return base::find(lease, "spec"); }

bool is_same_spec(const Json& a, const Json& b) {
  const Json* first = spec_of(a);
  const Json* second = spec_of(b);
  return first != nullptr && second != nullptr ? *first == *second : first == second;
}

}  // namespace

LeaderElector::LeaderElector(Timers& timers, Client& client, LeaderElectionOptions options,
                             LeaderCallbacks callbacks, Log log)
    : timers_(timers),
      client_(client),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      log_(log.child("leader-election")),
      random_(std::random_device{}()) {}

void LeaderElector::start() {
  running_ = true;
  attempt();
}

bool LeaderElector::is_own(const Json& lease) const {
  return holder_of(lease) == options_.identity;
}

void LeaderElector::attempt() {
  attempt_start_ = timers_.now();
  attempt_timer_ = timers_.after(options_.renew_deadline / 2, [this] {
    call_.cancel();
    schedule();
  });
  // The holder knows the lease: one write renews it.
  if (leading_ && observed_) {
    take_lease(*observed_);
  } else {
    read_lease();
  }
}

void LeaderElector::read_lease() {
  call_ = client_.get(resources::kLease, options_.lease, [this](Result<Json> lease) {
    if (lease) {
      observe(*lease);
      take_lease(std::move(*lease));
    } else if (lease.error().code() == Errc::kNotFound) {
      const JsonObject metadata{{"name", options_.lease.name},
                                {"namespace", options_.lease.namespace_name}};
      write_lease(
          JsonObject{
              {"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", metadata}},
          true);
    } else {
      end_attempt(std::move(lease));
    }
  });
}

// Remembers the lease; its time runs anew whenever it has changed.
void LeaderElector::observe(const Json& lease) {
  if (!observed_ || !is_same_spec(*observed_, lease)) {
    observed_at_ = timers_.now();
  }
  observed_ = lease;
  const std::string holder = holder_of(lease);
  if (!holder.empty() && holder != reported_leader_) {
    reported_leader_ = holder;
    if (callbacks_.on_new_leader) {
      callbacks_.on_new_leader(holder);
    }
  }
}

void LeaderElector::take_lease(Json lease) {
  if (!running_) {
    return;
  }
  if (!is_own(lease) && !holder_of(lease).empty()) {
    // What the holder promised counts, not what this replica would.
    const auto seconds = base::get_int(lease, "spec.leaseDurationSeconds");
    const std::chrono::milliseconds promised =
        seconds ? std::chrono::seconds(*seconds) : options_.lease_duration;
    if (timers_.now() < observed_at_ + promised) {
      if (leading_) {
        step_down("another replica holds the lease");
      } else {
        schedule();
      }
      return;
    }
  }
  write_lease(std::move(lease), false);
}

void LeaderElector::fill_spec(Json& lease, bool is_held) const {
  Json& value = lease.as_object()["spec"];
  if (!value.is_object()) {
    value = JsonObject();
  }
  JsonObject& spec = value.get_object();
  const std::string now = base::format_micro_time(std::chrono::system_clock::now());
  const std::string before = holder_of(lease);
  const std::int64_t transitions = base::get_int(lease, "spec.leaseTransitions").value_or(0);
  const auto duration = std::chrono::duration_cast<std::chrono::seconds>(options_.lease_duration);
  if (before != options_.identity || !is_held) {
    spec["acquireTime"] = now;
  }
  if (is_held && before != options_.identity) {
    spec["leaseTransitions"] =
        spec_of(lease)->as_object().contains("renewTime") ? transitions + 1 : transitions;
  }
  spec["holderIdentity"] = is_held ? options_.identity : "";
  spec["leaseDurationSeconds"] =
      is_held ? std::max<std::int64_t>(1, duration.count()) : std::int64_t{1};
  spec["renewTime"] = now;
}

void LeaderElector::write_lease(Json lease, bool is_new) {
  fill_spec(lease, true);
  const auto take_answer = [this](Result<Json> written) { end_attempt(std::move(written)); };
  call_ = is_new
              ? client_.create(resources::kLease, options_.lease.namespace_name, lease, take_answer)
              : client_.update(resources::kLease, lease, take_answer);
}

void LeaderElector::end_attempt(Result<Json> written) {
  if (!written) {
    log_.debug("attempt failed", {{"error", written.error().message()}});
    // Somebody else wrote: look before the next try. Without observed_ the time of
    // the lease would begin anew.
    if (leading_ && written.error().code() == Errc::kConflict) {
      read_lease();
      return;
    }
    schedule();
    return;
  }
  observe(*written);
  // Counted from before the request was sent: the others' clocks began no earlier.
  const auto left = attempt_start_ + options_.renew_deadline - timers_.now();
  deadline_timer_ = timers_.after(std::max(left, Timers::TimePoint::duration::zero()),
                                  [this] { step_down("the lease could not be renewed in time"); });
  if (!leading_) {
    lead();
  }
  if (running_) {
    schedule();
  }
}

void LeaderElector::schedule() {
  attempt_timer_.cancel();
  // Replicas that wait come at different moments.
  std::uniform_int_distribution<std::int64_t> extra(0, options_.retry_period.count() / 5);
  const auto delay =
      options_.retry_period + std::chrono::milliseconds(leading_ ? 0 : extra(random_));
  retry_timer_ = timers_.after(delay, [this] { attempt(); });
}

void LeaderElector::lead() {
  leading_ = true;
  log_.info("this replica leads", {{"lease", options_.lease.name}});
  if (callbacks_.on_started) {
    callbacks_.on_started();
  }
}

void LeaderElector::cancel() {
  running_ = false;
  call_.cancel();
  attempt_timer_.cancel();
  retry_timer_.cancel();
  deadline_timer_.cancel();
}

void LeaderElector::step_down(std::string_view why) {
  cancel();
  leading_ = false;
  log_.warning("this replica does not lead any more", {{"why", why}});
  if (callbacks_.on_stopped) {
    callbacks_.on_stopped();
  }
}

void LeaderElector::stop(std::function<void()> done) {
  cancel();
  stopped_ = std::move(done);
  if (!leading_.exchange(false) || !observed_) {
    retry_timer_ = timers_.after(std::chrono::nanoseconds(0), [this] { stopped_(); });
    return;
  }
  Json lease = *observed_;
  fill_spec(lease, false);
  call_ = client_.update(resources::kLease, lease, [this](const Result<Json>& released) {
    if (!released) {
      log_.debug("the lease was not released", {{"error", released.error().message()}});
    }
    stopped_();
  });
}

}  // namespace vk8s::kube
