#include "controller/cluster_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "controller/addon_wish.h"

namespace vk8s::controller {
namespace {

using api::ConditionStatus;
namespace phase = api::phase;

// Whosever words it holds: bounded, and safe for a terminal.
std::string shown(std::string_view text) { return base::printable(text, 4096); }

std::string phase_of(const NodeObservation& node, bool is_paused) {
  if (node.is_ready()) {
    return "Ready";
  }
  if (is_paused) {
    return node.has_pod ? "Stopping" : "Paused";
  }
  if (!node.trouble.empty()) {
    return "Failing";
  }
  if (node.is_leaving || (node.agent && node.agent->stopping)) {
    return "Stopping";
  }
  return node.agent ? "Starting" : "Pending";
}

api::NodeSummary summary_of(const NodeObservation& node, bool is_paused) {
  api::NodeSummary out;
  out.name = node.name;
  out.role = node.role;
  out.phase = phase_of(node, is_paused);
  out.ip = node.pod_ip;
  out.reserved_ip = node.reserved_ip;
  if (node.agent) {
    out.kubelet_version = node.agent->kubelet_version;
    out.progress = node.agent->percent;
  }
  if (node.is_ready()) {
    out.progress = 100;
    out.message = node.agent && node.agent->ready ? node.agent->text : std::string();
  } else if (!node.trouble.empty()) {
    out.message = node.trouble;
  } else if (node.agent) {
    out.message = node.agent->text;
  } else if (!is_paused) {
    out.message = node.has_pod ? "waiting for the pod to start" : "waiting for the pod";
  }
  out.message = shown(out.message);
  return out;
}

std::size_t ready_count(const std::vector<NodeObservation>& nodes) {
  return static_cast<std::size_t>(
      std::count_if(nodes.begin(), nodes.end(), [](const auto& node) { return node.is_ready(); }));
}

// The first that says what phase the cluster is in; "" = as the nodes say.
std::string_view phase_of(const std::vector<const Problem*>& problems) {
  const auto at = std::find_if(problems.begin(), problems.end(),
                               [](const Problem* each) { return !each->phase.empty(); });
  return at == problems.end() ? std::string_view() : (*at)->phase;
}

std::string_view phase_of(const api::Vk8s& vk8s, const api::Vk8sStatus& previous,
                          const Observation& seen) {
  if (vk8s.metadata.being_deleted) {
    return phase::kTerminating;
  }
  const bool all_ready = !seen.nodes.empty() && ready_count(seen.nodes) == seen.nodes.size();
  const std::string_view by_problem = phase_of(seen.problems());
  if (!by_problem.empty() && !all_ready) {
    return by_problem;
  }
  if (seen.is_paused) {
    return phase::kPaused;
  }
  if (all_ready) {
    return phase::kRunning;
  }
  return was_installed(previous) ? phase::kRestarting : phase::kInstalling;
}

std::string message_of(const api::Vk8sStatus& status, const Observation& seen) {
  if (seen.problem) {
    return seen.problem->message;
  }
  for (const api::NodeSummary& node : status.nodes) {
    if (node.phase != "Ready" && !node.message.empty()) {
      return fmt::format("{}: {}", node.name, node.message);
    }
  }
  return {};
}

class Conditions {
 public:
  Conditions(api::Vk8sStatus& status, std::int64_t generation, std::string_view now)
      : status_(status), generation_(generation), now_(now) {}

  void set(std::string_view type, bool is_true, std::string_view reason, std::string message) {
    set(type, is_true ? ConditionStatus::kTrue : ConditionStatus::kFalse, reason,
        std::move(message));
  }

  void set(std::string_view type, ConditionStatus status, std::string_view reason,
           std::string message) {
    api::Condition condition;
    condition.type = type;
    condition.status = status;
    condition.reason = reason;
    condition.message = shown(message);
    condition.observed_generation = generation_;
    api::set_condition(status_.conditions, std::move(condition), now_);
  }

  // Only what is or was the case is worth a line.
  void set_if_seen(std::string_view type, bool is_true, std::string_view reason,
                   std::string message) {
    if (is_true || api::find_condition(status_.conditions, type) != nullptr) {
      set(type, is_true, reason, std::move(message));
    }
  }

 private:
  api::Vk8sStatus& status_;
  std::int64_t generation_;
  std::string_view now_;
};

std::string names_of_unready(const std::vector<NodeObservation>& nodes) {
  std::string out;
  for (const NodeObservation& node : nodes) {
    if (!node.is_ready()) {
      out += out.empty() ? "" : ", ";
      out += node.name;
    }
  }
  return out;
}

void set_node_conditions(Conditions& conditions, const Observation& seen, bool installed) {
  const auto master = std::find_if(seen.nodes.begin(), seen.nodes.end(), [](const auto& node) {
    return node.role == api::NodeRole::kMaster;
  });
  const bool control_plane = master != seen.nodes.end() && master->is_ready();
  const std::string_view not_ready = seen.is_paused ? "Paused" : "NodeNotReady";
  conditions.set("ControlPlaneReady", control_plane, control_plane ? "NodeReady" : not_ready,
                 control_plane || master == seen.nodes.end() || seen.is_paused
                     ? std::string()
                     : fmt::format("node {} is not ready", master->name));
  const std::string unready = names_of_unready(seen.nodes);
  const bool all = !seen.nodes.empty() && unready.empty();
  const std::string which =
      all || seen.is_paused ? std::string() : fmt::format("not ready: {}", unready);
  conditions.set("NodesReady", all, all ? "AllReady" : not_ready, which);
  // A Node inside is Ready only with its pod network set up.
  conditions.set("NetworkReady", all, all ? "AllReady" : not_ready, which);
  conditions.set_if_seen("Degraded", installed && !all && !seen.is_paused,
                         all ? "AllReady" : not_ready, which);
}

const Problem* find_problem(const Observation& seen, std::string_view reason) {
  const auto all = seen.problems();
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const Problem* each) { return each->reason == reason; });
  return at == all.end() ? nullptr : *at;
}

// Whether they have one reason: then known keeps its words, and is looked at again no
// later, and weighs no less, than the other.
bool take_in(Problem& known, const Problem& other) {
  if (known.reason != other.reason) {
    return false;
  }
  if (known.retry_after.count() == 0 ||
      (other.retry_after.count() > 0 && other.retry_after < known.retry_after)) {
    known.retry_after = other.retry_after;
  }
  if (known.phase.empty()) {
    known.phase = other.phase;
  }
  return true;
}

void set_problem_conditions(Conditions& conditions, const Observation& seen) {
  for (const std::string_view type :
       {reason::kInvalidSpec, reason::kUnsupportedVersion, reason::kNotAllowed,
        reason::kNameConflict, reason::kNodeNameConflict, reason::kNetworkConflict,
        reason::kEarlierClusterLeaving, reason::kWaitingForNetwork, reason::kAuthorityLost,
        reason::kPodRefused, reason::kVolumeRefused, reason::kWriteFailed, reason::kPortsNotOpen,
        reason::kLabelsNotApplied, reason::kDrainingNode, reason::kPauseRefused,
        reason::kAddressUnavailable}) {
    const Problem* problem = find_problem(seen, type);
    conditions.set_if_seen(type, problem != nullptr, problem == nullptr ? "Resolved" : type,
                           problem == nullptr ? std::string() : problem->message);
  }
  conditions.set_if_seen("ResourcesMissing", !seen.missing.empty(),
                         seen.missing.empty() ? "AllPresent" : "NotOnTheHost", seen.missing);
}

void set_address_conditions(Conditions& conditions, const Observation& seen) {
  std::vector<std::string> ignored;
  for (const NodeObservation& node : seen.nodes) {
    if (!node.ignored_ip.empty()) {
      ignored.push_back(fmt::format(
          "node {} has {} instead of its fixed address {}: the network of host node {} has not "
          "given it that: see docs/static-addresses.md",
          node.name, node.pod_ip, node.ignored_ip, node.host_node));
    }
  }
  conditions.set_if_seen("AddressIgnored", !ignored.empty(),
                         ignored.empty() ? "AllGiven" : "OtherAddress",
                         fmt::format("{}", fmt::join(ignored, "; ")));
  conditions.set_if_seen("AddressesCannotMove", !seen.address_limits.empty(),
                         seen.address_limits.empty() ? "Resolved" : "StrictAffinity",
                         seen.address_limits);
}

void set_spec_conditions(Conditions& conditions, const api::Vk8s& vk8s) {
  // A worker of which no storage was said is none of these: it was promised nothing.
  std::vector<std::string> ephemeral;
  for (const api::NodeSpec& node : vk8s.spec.nodes) {
    if (node.storage.ephemeral && node.storage.offers_volumes) {
      const bool is_master = node.role == api::NodeRole::kMaster;
      ephemeral.push_back(
          fmt::format("node {} has no volume: {} lost when its pod goes", node.name,
                      is_master ? "the cluster's state is" : "volumes inside that lie on it are"));
    }
  }
  conditions.set_if_seen("Ephemeral", !ephemeral.empty(),
                         ephemeral.empty() ? "Persistent" : "NoVolume",
                         fmt::format("{}", fmt::join(ephemeral, "; ")));
}

constexpr std::string_view kNotInstalled = "NotInstalled";

std::string message_of(const api::AddonStatus& addon) {
  if (!addon.message.empty() || is_ready(addon)) {
    return addon.message;
  }
  const auto waits = std::find_if(addon.components.begin(), addon.components.end(),
                                  [](const auto& component) { return !component.is_ready; });
  return waits == addon.components.end()
             ? std::string()
             : fmt::format("{} %: {}: {}", addon.progress, waits->name, waits->message);
}

// What is inside is seen through the API server inside; what was seen last is told as that.
void set_addon_condition(Conditions& conditions, std::string_view type,
                         const api::AddonStatus& addon, const Observation& seen) {
  const std::string name = addon.name.empty() ? std::string() : addon.name + ": ";
  if (seen.is_paused) {
    conditions.set(type, false, "Paused",
                   name + "spec.paused is true; it goes on with the cluster");
  } else if (!seen.is_master_ready() && addon.phase != "Blocked") {
    conditions.set(type, ConditionStatus::kUnknown, "ControlPlaneNotReady",
                   fmt::format("{}it cannot be looked at: see ControlPlaneReady; it was {}", name,
                               addon.phase));
  } else {
    conditions.set(type, is_ready(addon), addon.phase, name + message_of(addon));
  }
}

// Of Kubeflow that has gone, also what an uninstall has kept, for as long as there is none again.
std::string message_of_removed(const api::Vk8sStatus& previous) {
  const api::Condition* known = api::find_condition(previous.conditions, "KubeflowReady");
  if (!previous.kubeflow && known != nullptr && known->reason == kNotInstalled) {
    return known->message;
  }
  const bool has_kept = previous.kubeflow && previous.kubeflow->phase == "Removed" &&
                        !previous.kubeflow->message.empty();
  return has_kept ? "Kubeflow was removed; " + previous.kubeflow->message
                  : "Kubeflow is not asked for any more";
}

void set_addon_conditions(Conditions& conditions, const api::Vk8sStatus& previous,
                          const api::Vk8sStatus& status, const Observation& seen) {
  if (status.kubeflow) {
    set_addon_condition(conditions, "KubeflowReady", *status.kubeflow, seen);
  } else {
    conditions.set_if_seen("KubeflowReady", false, kNotInstalled, message_of_removed(previous));
  }
  const auto waits = std::find_if(status.addons.begin(), status.addons.end(),
                                  [](const auto& addon) { return !is_ready(addon); });
  if (status.addons.empty()) {
    conditions.set_if_seen("AddonsReady", false, kNotInstalled, "no add-on is asked for any more");
  } else if (waits == status.addons.end() && !seen.is_paused && seen.is_master_ready()) {
    conditions.set("AddonsReady", true, "AllReady", "");
  } else {
    set_addon_condition(conditions, "AddonsReady",
                        waits == status.addons.end() ? status.addons.front() : *waits, seen);
  }
}

}  // namespace

bool was_installed(const api::Vk8sStatus& previous) {
  return previous.phase == phase::kRunning || previous.phase == phase::kRestarting ||
         previous.phase == phase::kPaused ||
         api::find_condition(previous.conditions, "Degraded") != nullptr;
}

void Observation::note(std::optional<Problem> found) {
  if (!found) {
    return;
  }
  if (!problem) {
    problem = std::move(found);
    return;
  }
  if (take_in(*problem, *found) ||
      std::any_of(more.begin(), more.end(), [&](Problem& each) { return take_in(each, *found); })) {
    return;
  }
  more.push_back(*std::move(found));
}

std::vector<const Problem*> Observation::problems() const {
  std::vector<const Problem*> out;
  if (problem) {
    out.push_back(&*problem);
  }
  for (const Problem& each : more) {
    out.push_back(&each);
  }
  return out;
}

void Observation::run_on() {
  if (problem) {
    problem->phase = {};
  }
  for (Problem& each : more) {
    each.phase = {};
  }
}

bool Observation::is_master_ready() const {
  return std::any_of(nodes.begin(), nodes.end(), [](const NodeObservation& node) {
    return node.role == api::NodeRole::kMaster && node.is_ready();
  });
}

api::Vk8sStatus compute_status(const api::Vk8s& vk8s, const api::Vk8sStatus& previous,
                               const Observation& seen, std::string_view now) {
  api::Vk8sStatus out;
  out.conditions = previous.conditions;
  out.observed_generation = vk8s.metadata.generation;
  out.phase = phase_of(vk8s, previous, seen);
  out.version = reached_version(previous.version, seen.version);
  out.endpoint = seen.endpoint.empty() ? previous.endpoint : seen.endpoint;
  if (!out.endpoint.empty()) {
    out.kubeconfig_secret = vk8s.metadata.name + "-kubeconfig";
  }
  for (const NodeObservation& node : seen.nodes) {
    out.nodes.push_back(summary_of(node, seen.is_paused));
  }
  out.ready_nodes = fmt::format("{}/{}", ready_count(seen.nodes), vk8s.spec.nodes.size());
  out.message = shown(message_of(out, seen));
  // Dropped only once it is known that nothing is left of them.
  out.kubeflow = seen.addons ? seen.addons->kubeflow : previous.kubeflow;
  out.addons = seen.addons ? seen.addons->addons : previous.addons;

  Conditions conditions(out, vk8s.metadata.generation, now);
  set_node_conditions(conditions, seen, was_installed(previous));
  set_problem_conditions(conditions, seen);
  set_address_conditions(conditions, seen);
  set_spec_conditions(conditions, vk8s);
  set_addon_conditions(conditions, previous, out, seen);
  const bool ready = out.phase == phase::kRunning;
  std::string why = ready ? "AllReady" : seen.problem ? seen.problem->reason : out.phase;
  std::erase(why, ' ');  // a reason is one word
  conditions.set("Ready", ready, why, ready ? std::string() : out.message);
  return out;
}

}  // namespace vk8s::controller
