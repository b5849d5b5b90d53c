// What a reconcile tells: the status, and Events of what has changed in it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/wall_time.h"
#include "controller/reconciler.h"

namespace vk8s::controller {

Status Reconciler::report(const Json& object, const api::Vk8s& vk8s, const Observation& seen) {
  const kube::ObjectKey key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  // The cache may not show yet what was written last.
  api::Vk8sStatus previous = vk8s.status;
  std::set<std::string> known_problems;
  {
    const std::lock_guard lock(mutex_);
    const auto last = written_.find(key);
    if (last != written_.end()) {
      known_problems = last->second.problems;
      if (last->second.resource_version == vk8s.metadata.resource_version) {
        previous = last->second.status;
      }
    }
  }
  api::Vk8sStatus status = compute_status(vk8s, previous, seen, base::format_time(parts_.now()));
  if (status == previous) {
    return {};
  }
  JsonObject metadata;
  metadata["name"] = key.name;
  metadata["namespace"] = key.namespace_name;
  metadata["uid"] = vk8s.metadata.uid;
  JsonObject patch;
  patch["apiVersion"] = api::kVk8sApiVersion;
  patch["kind"] = "Vk8s";
  patch["metadata"] = std::move(metadata);
  patch["status"] = api::to_json(status);
  const auto applied =
      parts_.client.run_one(apply_request(kube::resources::kVk8s, std::move(patch), "status"));
  if (!applied) {
    // Deleted meanwhile: there is nobody left to tell.
    const bool gone = applied.error().code() == Errc::kNotFound ||
                      (applied.error().code() == Errc::kConflict && vk8s.metadata.being_deleted);
    return gone ? Status() : tl::unexpected<Error>(applied.error());
  }
  tell(object, status, seen, status.phase != previous.phase, known_problems);
  tell_addons(object, previous, status);
  parts_.log.info("status", {{"vk8s", key.namespace_name + "/" + key.name},
                             {"phase", status.phase},
                             {"ready", status.ready_nodes},
                             {"message", status.message}});
  std::set<std::string> problems;
  for (const Problem* problem : seen.problems()) {
    problems.insert(problem->reason);
  }
  const std::lock_guard lock(mutex_);
  written_[key] = {std::move(status), vk8s.metadata.resource_version, std::move(problems)};
  return {};
}

// The story once per change. A running cluster can have problems and go on running.
void Reconciler::tell(const Json& object, const api::Vk8sStatus& status, const Observation& seen,
                      bool has_new_phase, const std::set<std::string>& known_problems) const {
  if (!parts_.announce) {
    return;
  }
  const std::vector<const Problem*> problems = seen.problems();
  for (const Problem* problem : problems) {
    const bool is_first = problem == problems.front();
    const bool is_new = !known_problems.contains(problem->reason);
    if (is_new || (is_first && has_new_phase)) {
      const bool is_trouble = is_new && problem->reason != reason::kDrainingNode &&
                              (status.phase == api::phase::kRunning || !is_first);
      parts_.announce(object, is_trouble || status.phase == api::phase::kFail, problem->reason,
                      problem->message);
    }
  }
  if (has_new_phase && problems.empty()) {
    std::string reason = status.phase;
    std::erase(reason, ' ');
    parts_.announce(
        object, false, reason,
        status.message.empty() ? fmt::format("the cluster is {}", status.phase) : status.message);
  }
}

void Reconciler::tell_addons(const Json& object, const api::Vk8sStatus& previous,
                             const api::Vk8sStatus& status) const {
  if (!parts_.announce) {
    return;
  }
  const auto tell = [&](const std::string& what, const api::AddonStatus* before,
                        const api::AddonStatus& now) {
    if (before == nullptr || before->phase != now.phase) {
      const bool is_trouble = now.phase == "Blocked" || now.phase == "Failed";
      const std::string& more = now.message;
      parts_.announce(object, is_trouble, what + now.phase,
                      fmt::format("{}{}{} is {}{}{}", now.name.empty() ? "Kubeflow" : now.name,
                                  now.version.empty() ? "" : " ", now.version, now.phase,
                                  more.empty() ? "" : ": ", more));
    }
  };
  if (status.kubeflow) {
    tell("Kubeflow", previous.kubeflow ? &*previous.kubeflow : nullptr, *status.kubeflow);
  }
  for (const api::AddonStatus& addon : status.addons) {
    const auto before = std::find_if(previous.addons.begin(), previous.addons.end(),
                                     [&](const auto& each) { return each.name == addon.name; });
    tell("Addon", before == previous.addons.end() ? nullptr : &*before, addon);
  }
}

}  // namespace vk8s::controller
