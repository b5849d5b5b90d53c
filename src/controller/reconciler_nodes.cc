// What a reconcile does with the nodes of a cluster that runs: labels, new pods for
// old ones, and an end for those that have left the spec.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/reconciler.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

// The end of a pod is told; that an API server inside answers again, or deletes a Node
// after all, may not be.
constexpr seconds kEndInterval{10};

bool is_stopped(const Json& stateful_set) {
  return base::get_int(stateful_set, "spec.replicas") == 0;
}

}  // namespace

// Stops and starts pods where nothing else of their StatefulSets may be written.
std::optional<Problem> Reconciler::set_replicas(const Cluster& cluster) {
  const int wanted = cluster.paused ? 0 : 1;
  std::vector<BatchClient::Request> requests;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    const World::Object set = own_set(cluster, node.name);
    if (set && !cluster.held_back.contains(node.name) &&
        base::get_int(*set, "spec.replicas") != wanted) {
      requests.push_back(scale_request({cluster.namespace_name(), node.name}, wanted));
    }
  }
  for (const Result<Json>& result : parts_.client.run(std::move(requests))) {
    if (!result) {
      return write_problem(result.error());
    }
  }
  return std::nullopt;
}

// Why pods do not come that their StatefulSets want: these tell nobody but who reads
// their Events.
void Reconciler::explain_missing(const Cluster& cluster, Observation& seen) {
  std::vector<World::Object> without_pod;
  for (const NodeObservation& node : seen.nodes) {
    World::Object set = node.has_pod ? nullptr : own_set(cluster, node.name);
    if (set && base::get_int(*set, "spec.replicas").value_or(1) > 0) {
      without_pod.push_back(std::move(set));
    }
  }
  HostAdmission::Outcome outcome = admission_.explain(cluster, without_pod);
  seen.again = outcome.again;
  for (NodeObservation& node : seen.nodes) {
    const auto at = outcome.problems.find(node.name);
    if (at == outcome.problems.end()) {
      continue;
    }
    node.trouble = at->second.message;
    if (seen.is_master_ready()) {
      at->second.phase = {};
    }
    seen.note(std::move(at->second));
  }
}

// Labels and taints of the spec, on the Nodes that are ready.
std::optional<Problem> Reconciler::label_nodes(const Cluster& cluster, const Observation& seen) {
  if (cluster.paused || !seen.is_master_ready()) {
    node_metadata_.forget(key_of(cluster));  // looked at again when the cluster answers
    return std::nullopt;
  }
  std::string trouble = node_metadata_.ensure(cluster, seen.nodes);
  if (trouble.empty()) {
    return std::nullopt;
  }
  return Problem{{}, std::string(reason::kLabelsNotApplied), std::move(trouble), seconds(5)};
}

// A StatefulSet with OnDelete replaces no pod by itself. One node at a time, the
// master first, and only while the others are well and none is being drained for good;
// those that have no StatefulSet, for the host refuses them, are none of these.
std::optional<Problem> Reconciler::replace_outdated(Cluster& cluster, const Observation& seen,
                                                    const std::vector<World::Object>& left) {
  const auto order = [](const NodeObservation* a, const NodeObservation* b) {
    return a->role == api::NodeRole::kMaster && b->role != api::NodeRole::kMaster;
  };
  std::vector<const NodeObservation*> outdated;
  bool others_well = std::all_of(left.begin(), left.end(),
                                 [](const World::Object& set) { return is_stopped(*set); });
  for (const NodeObservation& node : seen.nodes) {
    if (node.is_outdated && !node.is_leaving) {
      outdated.push_back(&node);
    } else if (node.has_pod || own_set(cluster, node.name)) {
      others_well = others_well && node.is_ready();
    }
  }
  if (cluster.paused || outdated.empty()) {
    return std::nullopt;
  }
  std::stable_sort(outdated.begin(), outdated.end(), order);
  // One that does not run is replaced at once: its new form may be what mends it.
  const auto broken = std::find_if(outdated.begin(), outdated.end(),
                                   [](const auto* node) { return !node->is_ready(); });
  if (broken == outdated.end() && !others_well) {
    return std::nullopt;
  }
  const NodeObservation& node = broken == outdated.end() ? *outdated.front() : **broken;
  if (auto problem = ensure_mounted(cluster, node.name)) {
    take_back(cluster, node);
    return problem;
  }
  if (broken == outdated.end() && seen.nodes.size() > 1) {
    if (auto waiting = empty_node(cluster, node.name)) {
      return waiting;
    }
  }
  const auto removed = parts_.client.run_one(remove_request(
      kube::resources::kPod, {cluster.namespace_name(), pod_of(node.name)}, node.pod_uid));
  if (!removed && removed.error().code() != Errc::kNotFound) {
    return write_problem(removed.error());
  }
  parts_.log.info("pod replaced: its node has changed",
                  {{"pod", cluster.namespace_name() + "/" + pod_of(node.name)}});
  return std::nullopt;
}

// The Secrets without which a new pod of the node would not start: they are read, for
// nobody tells when one is deleted.
std::optional<Problem> Reconciler::ensure_mounted(Cluster& cluster, const std::string& node) {
  if (auto problem = ensure_authorities(cluster, false)) {
    return problem;
  }
  const auto config = make_node_config_secret(node);
  auto written = secrets_.ensure(cluster, {config.get()}, false);
  return written ? std::nullopt : std::optional(std::move(written).error());
}

// Its pods go to the others before its own pod is replaced; not for ever.
std::optional<Problem> Reconciler::empty_node(const Cluster& cluster, const std::string& name) {
  const auto set =
      parts_.world.get(kube::resources::kStatefulSet, {cluster.namespace_name(), name});
  if (!set) {
    return std::nullopt;
  }
  auto progress = node_drain_.empty(cluster, *set);
  if (!progress) {
    return std::move(progress).error();
  }
  if (progress->waits_for.empty() || progress->timed_out) {
    return std::nullopt;
  }
  return Problem{{},
                 std::string(reason::kDrainingNode),
                 fmt::format("node {} is replaced: waiting for {}", name, progress->waits_for),
                 seconds(1)};
}

// may_replace: those that wait to be replaced stay empty.
std::optional<Problem> Reconciler::take_back_nodes(const Cluster& cluster, const Observation& seen,
                                                   bool may_replace) {
  if (cluster.paused || !seen.is_master_ready()) {
    return std::nullopt;
  }
  for (const NodeObservation& node : seen.nodes) {
    if (!(node.is_outdated && may_replace)) {
      if (auto problem = take_back(cluster, node)) {
        return problem;
      }
    }
  }
  return std::nullopt;
}

std::optional<Problem> Reconciler::take_back(const Cluster& cluster, const NodeObservation& node) {
  const World::Object set = node.is_ready() ? own_set(cluster, node.name) : nullptr;
  return set ? node_drain_.take_back(cluster, *set) : std::nullopt;
}

// StatefulSets of nodes that have left spec.nodes. vk8s: the whole spec, which that of a
// frozen cluster is not.
std::vector<World::Object> Reconciler::left_sets(const api::Vk8s& vk8s) const {
  std::vector<World::Object> out;
  for (const World::Object& set :
       objects_of_cluster(parts_.world, kube::resources::kStatefulSet,
                          {vk8s.metadata.namespace_name, vk8s.metadata.name})) {
    const std::string name(base::get_string(*set, "metadata.name").value_or(""));
    if (vk8s.find_node(name) == nullptr && !base::find(*set, "metadata.deletionTimestamp") &&
        is_owned_by(*set, vk8s.metadata.uid)) {
      out.push_back(set);
    }
  }
  return out;
}

// Once nothing is left of them inside. One is drained at a time; one that waits for
// nothing but its end keeps no other.
std::optional<Problem> Reconciler::remove_left_nodes(const Cluster& cluster,
                                                     const std::vector<World::Object>& left,
                                                     const Observation& seen, const Json& object) {
  std::optional<Problem> first;
  for (const World::Object& set : left) {
    const std::string name(base::get_string(*set, "metadata.name").value_or(""));
    const bool has_pod = parts_.world.get(kube::resources::kPod,
                                          {cluster.namespace_name(), pod_of(name)}) != nullptr;
    auto progress = node_drain_.remove(cluster, *set, has_pod, seen.is_master_ready());
    if (!progress) {
      return std::move(progress).error();
    }
    if (progress->timed_out && parts_.announce) {
      parts_.announce(object, true, "DrainTimedOut",
                      fmt::format("node {} was stopped after {} s though it still waited for {}",
                                  name, kDrainLimit.count(), progress->timed_out_on));
    }
    if (progress->waits_for.empty()) {
      if (auto problem = remove_objects_of(cluster, *set)) {
        return problem;
      }
      continue;
    }
    if (!first) {
      first = Problem{{},
                      std::string(reason::kDrainingNode),
                      fmt::format("node {} leaves: waiting for {}", name, progress->waits_for),
                      cluster.paused      ? seconds(0)
                      : progress->stopped ? kEndInterval
                                          : seconds(1)};
    }
    if (!progress->stopped) {
      break;
    }
  }
  return first;
}

std::optional<Problem> Reconciler::remove_objects_of(const Cluster& cluster,
                                                     const Json& stateful_set) {
  const std::string name(base::get_string(stateful_set, "metadata.name").value_or(""));
  const std::string& in = cluster.namespace_name();
  std::vector<BatchClient::Request> requests = {
      remove_request(kube::resources::kStatefulSet, {in, name},
                     std::string(base::get_string(stateful_set, "metadata.uid").value_or(""))),
      remove_request(kube::resources::kSecret, {in, config_secret_of(name)}, {})};
  if (has_owned_claim(stateful_set)) {
    requests.push_back(
        remove_request(kube::resources::kPersistentVolumeClaim, {in, claim_of(name)}, {}));
  }
  // Should it come back under its name, nothing that is remembered of it would be true.
  writer_.forget(key_of(cluster));
  secrets_.forget(key_of(cluster));
  parts_.log.info("node removed", {{"node", name}, {"vk8s", cluster.name()}});
  for (const Result<Json>& result : parts_.client.run(std::move(requests))) {
    if (!result && result.error().code() != Errc::kNotFound) {
      return write_problem(result.error());
    }
  }
  return std::nullopt;
}

}  // namespace vk8s::controller
