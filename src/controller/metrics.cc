#include "controller/metrics.h"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>
#include <vector>

#include "addons/install_status.h"
#include "api/vk8s.h"

namespace vk8s::controller {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                          0.25,  0.5,   1,    2.5,   5,    10};

// Every phase has its line, so that a drop to none shows.
void set_counts(prometheus::Family<prometheus::Gauge>& family,
                const std::vector<std::string_view>& phases, std::map<std::string, double> counts) {
  for (const std::string_view name : phases) {
    family.Add({{"phase", std::string(name)}}).Set(counts[std::string(name)]);
  }
}

}  // namespace

void count_addons(const Json& vk8s, std::map<std::string, double>& by_phase) {
  const auto count = [&](const Json& status) {
    ++by_phase[std::string(base::get_string(status, "phase").value_or("Pending"))];
  };
  if (const Json* kubeflow = base::find(vk8s, "status.kubeflow")) {
    count(*kubeflow);
  }
  const JsonArray* others = base::get_array(vk8s, "status.addons");
  for (const Json& addon : others == nullptr ? JsonArray() : *others) {
    count(addon);
  }
}

Metrics::Metrics()
    : reconciles_(prometheus::BuildCounter()
                      .Name("vk8s_reconciles_total")
                      .Help("Reconciliations of a cluster, by result")
                      .Register(registry_)),
      clusters_(prometheus::BuildGauge()
                    .Name("vk8s_clusters")
                    .Help("Clusters, by phase")
                    .Register(registry_)),
      addons_(prometheus::BuildGauge()
                  .Name("vk8s_addons")
                  .Help("Add-ons of clusters, Kubeflow among them, by phase")
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

void Metrics::watch_clusters(CountByPhase count) { ask_clusters_ = std::move(count); }

void Metrics::watch_addons(CountByPhase count) { ask_addons_ = std::move(count); }

void Metrics::set_leader(bool is_leader) { leader_.Set(is_leader ? 1 : 0); }

std::string Metrics::text() {
  if (ask_queue_depth_) {
    queue_depth_.Set(ask_queue_depth_());
  }
  if (ask_clusters_) {
    namespace phase = api::phase;
    set_counts(clusters_,
               {phase::kWaiting, phase::kWaitingNetwork, phase::kInstalling, phase::kRunning,
                phase::kPaused, phase::kRestarting, phase::kTerminating, phase::kFail},
               ask_clusters_());
  }
  if (ask_addons_) {
    using addons::InstallPhase;
    set_counts(addons_,
               {to_string(InstallPhase::kPending), to_string(InstallPhase::kBlocked),
                to_string(InstallPhase::kInstalling), to_string(InstallPhase::kFailed),
                to_string(InstallPhase::kReady), to_string(InstallPhase::kRemoving),
                to_string(InstallPhase::kRemoved)},
               ask_addons_());
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_.Collect());
  return out.str();
}

}  // namespace vk8s::controller
