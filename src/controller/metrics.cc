#include "controller/metrics.h"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>

#include "api/vk8s.h"

namespace vk8s::controller {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                          0.25,  0.5,   1,    2.5,   5,    10};

}  // namespace

Metrics::Metrics()
    : reconciles_(prometheus::BuildCounter()
                      .Name("vk8s_reconciles_total")
                      .Help("Reconciliations of a cluster, by result")
                      .Register(registry_)),
      clusters_(prometheus::BuildGauge()
                    .Name("vk8s_clusters")
                    .Help("Clusters, by phase")
                    .Register(registry_)),
      durations_(prometheus::BuildHistogram()
                     .Name("vk8s_reconcile_duration_seconds")
                     .Help("How long a reconciliation took")
                     .Register(registry_)
                     .Add({}, kSeconds)),
      queue_depth_(prometheus::BuildGauge()
                       .Name("vk8s_queue_depth")
                       .Help("Clusters that wait to be reconciled")
                       .Register(registry_)
                       .Add({})),
      leader_(prometheus::BuildGauge()
                  .Name("vk8s_leader")
                  .Help("1 in the replica that acts")
                  .Register(registry_)
                  .Add({})) {}

void Metrics::count_reconcile(bool success, std::chrono::nanoseconds duration) {
  reconciles_.Add({{"result", success ? "success" : "error"}}).Increment();
  durations_.Observe(std::chrono::duration<double>(duration).count());
}

void Metrics::watch_queue_depth(std::function<double()> depth) {
  ask_queue_depth_ = std::move(depth);
}

void Metrics::watch_clusters(std::function<std::map<std::string, double>()> count_by_phase) {
  ask_clusters_ = std::move(count_by_phase);
}

void Metrics::set_leader(bool is_leader) { leader_.Set(is_leader ? 1 : 0); }

std::string Metrics::text() {
  if (ask_queue_depth_) {
    queue_depth_.Set(ask_queue_depth_());
  }
  if (ask_clusters_) {
    namespace phase = api::phase;
    std::map<std::string, double> counts = ask_clusters_();
    // Every phase has its line, so that a drop to none shows.
    for (const std::string_view name :
         {phase::kWaiting, phase::kWaitingNetwork, phase::kInstalling, phase::kRunning,
          phase::kPaused, phase::kRestarting, phase::kTerminating, phase::kFail}) {
      clusters_.Add({{"phase", std::string(name)}}).Set(counts[std::string(name)]);
    }
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_.Collect());
  return out.str();
}

}  // namespace vk8s::controller
