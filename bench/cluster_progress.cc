#include "cluster_progress.h"

#include <utility>

#include "simulated_host.h"

namespace vk8s::bench {
namespace {

kube::InformerOptions of(const kube::Resource& resource, std::vector<std::string> fields) {
  kube::InformerOptions out;
  out.resource = resource;
  out.namespace_name = kBenchNamespace;
  out.projection = kube::keep_fields(std::move(fields));
  return out;
}

}  // namespace

ClusterProgress::ClusterProgress(Timers& timers, kube::Client& client)
    : clusters_(timers, client, of(kube::resources::kVk8s, {"status"}), Log::silent()),
      stateful_sets_(timers, client, of(kube::resources::kStatefulSet, {}), Log::silent()) {
  kube::InformerHandlers handlers;
  handlers.on_added = [this](const kube::ObjectPtr& object) { take(*object); };
  handlers.on_updated = [this](const kube::ObjectPtr&, const kube::ObjectPtr& object) {
    take(*object);
  };
  clusters_.add_handlers(std::move(handlers));
  clusters_.start();
  stateful_sets_.start();
}

ClusterProgress::~ClusterProgress() {
  clusters_.stop();
  stateful_sets_.stop();
}

void ClusterProgress::take(const Json& vk8s) {
  const auto observed = base::get_int(vk8s, "status.observedGeneration");
  const bool is_current = observed && observed == base::get_int(vk8s, "metadata.generation");
  const std::string phase(is_current ? base::get_string(vk8s, "status.phase").value_or("")
                                     : std::string_view());
  if (phase == "Fail") {
    failure_ = base::get_string(vk8s, "status.message").value_or("");
  }
  const auto [at, is_new] =
      phases_.try_emplace(std::string(base::get_string(vk8s, "metadata.name").value_or("")), phase);
  if (!is_new) {
    --counts_[at->second];
    at->second = phase;
  }
  ++counts_[phase];
}

int ClusterProgress::in_phase(std::string_view phase) const {
  const auto at = counts_.find(phase);
  return at == counts_.end() ? 0 : at->second;
}

}  // namespace vk8s::bench
