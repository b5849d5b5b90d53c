// Time that moves only when a test says so.
#pragma once

#include <algorithm>
#include <map>

#include "base/event_loop.h"

namespace vk8s::base {

class FakeTimers final : public Timers {
 public:
  TimePoint now() const override { return now_; }

  Registration after(std::chrono::nanoseconds delay, Callback callback) override {
    auto state = std::make_shared<Callback>(std::move(callback));
    pending_.emplace(now_ + delay, state);
    return Registration(std::move(state));
  }

  // Moves time on and runs what falls due, in order; also what that asks for anew.
  void advance(std::chrono::nanoseconds step) {
    const TimePoint end = now_ + step;
    while (!pending_.empty() && pending_.begin()->first <= end) {
      now_ = std::max(now_, pending_.begin()->first);
      const auto state = pending_.begin()->second.lock();
      pending_.erase(pending_.begin());
      if (state) {
        (*state)();
      }
    }
    now_ = std::max(now_, end);
  }

 private:
  TimePoint now_{};
  std::multimap<TimePoint, std::weak_ptr<Callback>> pending_;
};

}  // namespace vk8s::base
