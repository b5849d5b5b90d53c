// What the controller tells Prometheus.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "base/json.h"

namespace vk8s::controller {

// Adds the add-ons that a Vk8s's status names, Kubeflow among them, to their phases.
void count_addons(const Json& vk8s, std::map<std::string, double>& by_phase);

// Any thread.
class Metrics {
 public:
  Metrics();

  void count_reconcile(bool success, std::chrono::nanoseconds duration);
  // Asked at each scrape.
  void watch_queue_depth(std::function<double()> depth);
  using CountByPhase = std::function<std::map<std::string, double>()>;
  void watch_clusters(CountByPhase count);
  void watch_addons(CountByPhase count);
  void set_leader(bool is_leader);

  // The text format. Source: Prometheus exposition formats 0.0.4.
  std::string text();

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& reconciles_;
  prometheus::Family<prometheus::Gauge>& clusters_;
  prometheus::Family<prometheus::Gauge>& addons_;
  prometheus::Histogram& durations_;
  prometheus::Gauge& queue_depth_;
  prometheus::Gauge& leader_;
  std::function<double()> ask_queue_depth_;
  CountByPhase ask_clusters_;
  CountByPhase ask_addons_;
};

}  // namespace vk8s::controller
