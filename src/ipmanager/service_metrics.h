// What the service tells Prometheus.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

#include <string>
#include <string_view>

#include "ipmanager/allocator.h"

namespace vk8s::ipmanager {

// On the loop's thread.
class ServiceMetrics {
 public:
  // allocator outlives it.
  ServiceMetrics(Timers& timers, const Allocator& allocator);

  // What is no method or path of the interface counts as "other": labels of
  // others are no memory of ours.
  void count_request(std::string_view method, std::string_view path, int status);

  // The text format, at most a second old: it goes through all allocations.
  // Source: Prometheus exposition formats 0.0.4.
  std::string text();

 private:
  std::string collect();

  Timers& timers_;
  const Allocator& allocator_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  std::string text_;
  Timers::TimePoint end_;  // of its use
};

}  // namespace vk8s::ipmanager
