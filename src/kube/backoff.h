// How long to wait before the next attempt: doubling, capped, with jitter, so
// that many clients of one server do not come back at the same moment.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace vk8s::kube {

class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration first, Duration cap)
      : first_(first), cap_(cap), random_(std::random_device{}()) {}

  // first, 2*first, ... cap, each plus up to a fifth.
  Duration next() { return delay_of(attempts_++); }
  void reset() { attempts_ = 0; }
  unsigned attempts() const { return attempts_; }

  // The delay after so many failures before it.
  Duration delay_of(unsigned earlier_failures) {
    const Duration plain =
        std::min(cap_, first_ * (std::int64_t{1} << std::min(earlier_failures, 20U)));
    std::uniform_int_distribution<std::int64_t> extra(0, plain.count() / 5);
    return plain + Duration(extra(random_));
  }

 private:
  Duration first_;
  Duration cap_;
  unsigned attempts_ = 0;
  std::minstd_rand random_;
};

}  // namespace vk8s::kube
