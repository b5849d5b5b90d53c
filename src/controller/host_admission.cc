#include "controller/host_admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/object_writer.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Of an answer to a dry run. One of that name that is there, or still leaves, is no
// refusal; nor is a webhook that has nothing to do with dry runs.
bool is_refused(const Result<Json>& answer) {
  return !answer && answer.error().code() != Errc::kAlreadyExists &&
         answer.error().message().find("does not support dry run") == std::string::npos;
}

std::string name_of(const Json& object) {
  return std::string(base::get_string(object, "metadata.name").value_or(""));
}

Problem refusal(const std::string& node, std::string_view reason, const Error& error) {
  Problem out = write_problem(error);
  if (!out.phase.empty()) {
    out.reason = reason;
    out.retry_after = kPodInterval;
  }
  out.message = fmt::format("node {}: {}", node, out.message);
  return out;
}

}  // namespace

Problem ports_problem(Problem problem) {
  if (problem.reason == reason::kWriteFailed && !problem.phase.empty()) {
    problem.reason = reason::kPortsNotOpen;
    problem.message = fmt::format("spec.ports: {}", problem.message);
  }
  return problem;
}

std::map<std::string, Problem> HostAdmission::try_nodes(
    const Cluster& cluster, const std::vector<World::Object>& stateful_sets) {
  struct Asked {
    std::string node;
    std::string_view reason;
  };
  std::vector<Asked> asked;
  std::vector<BatchClient::Request> requests;
  for (const World::Object& set : stateful_sets) {
    const std::string node = name_of(*set);
    // A StatefulSet makes the volume first.
    if (auto claim = node_claim(cluster, *set)) {
      asked.push_back({node, reason::kVolumeRefused});
      requests.push_back(create_request(kube::resources::kPersistentVolumeClaim,
                                        cluster.namespace_name(), *std::move(claim), true));
    }
    asked.push_back({node, reason::kPodRefused});
    requests.push_back(create_request(kube::resources::kPod, cluster.namespace_name(),
                                      node_pod(cluster, *set), true));
  }
  const std::vector<Result<Json>> results = client_.run(std::move(requests));
  std::vector<std::size_t> refused;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (is_refused(results[i])) {
      refused.push_back(i);
    }
  }
  // Quota and LimitRange refuse what is there before the API server sees that it is: kept
  // from an earlier cluster, or of a StatefulSet that comes back.
  std::vector<BatchClient::Request> looks;
  for (const std::size_t i : refused) {
    const bool is_claim = asked[i].reason == reason::kVolumeRefused;
    looks.push_back(get_request(
        is_claim ? kube::resources::kPersistentVolumeClaim : kube::resources::kPod,
        {cluster.namespace_name(), is_claim ? claim_of(asked[i].node) : pod_of(asked[i].node)}));
  }
  const std::vector<Result<Json>> there = client_.run(std::move(looks));
  std::map<std::string, Problem> out;
  for (std::size_t n = 0; n < refused.size(); ++n) {
    const auto& [node, reason] = asked[refused[n]];
    if (!there[n]) {
      out.emplace(node, refusal(node, reason, results[refused[n]].error()));
    }
  }
  return out;
}

std::optional<Problem> HostAdmission::try_ports(const Cluster& cluster) {
  const auto service = make_ports_service();
  if (!service->is_wanted(cluster)) {
    return std::nullopt;
  }
  const auto tried = client_.run_one(create_request(
      kube::resources::kService, cluster.namespace_name(), service->desired(cluster), true));
  return is_refused(tried) ? std::optional(ports_problem(write_problem(tried.error())))
                           : std::nullopt;
}

HostAdmission::Outcome HostAdmission::explain(const Cluster& cluster,
                                              const std::vector<World::Object>& without_pod) {
  const kube::ObjectKey key = key_of(cluster);
  const base::WallTime now = now_();
  std::vector<World::Object> due;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Missing> still;
    auto& known = missing_[key];
    for (const World::Object& set : without_pod) {
      const auto at = known.find(name_of(*set));
      Missing missing = at == known.end() ? Missing{now + kPodPatience, {}} : at->second;
      if (missing.next <= now) {
        due.push_back(set);
      }
      still.emplace(name_of(*set), std::move(missing));
    }
    known = std::move(still);
    if (known.empty()) {
      missing_.erase(key);
      return {};
    }
  }
  std::map<std::string, Problem> refused = try_nodes(cluster, due);
  std::vector<std::string> taken;
  Outcome out;
  {
    const std::lock_guard lock(mutex_);
    auto& known = missing_[key];
    for (const World::Object& set : due) {
      Missing& missing = known[name_of(*set)];
      const auto problem = refused.find(name_of(*set));
      if (problem == refused.end() && missing.problem) {
        taken.push_back(name_of(*set));
      }
      missing.next = now + kPodInterval;
      missing.problem =
          problem == refused.end() ? std::nullopt : std::optional(std::move(problem->second));
    }
    for (const auto& [node, missing] : known) {
      const auto wait = std::chrono::ceil<std::chrono::seconds>(missing.next - now);
      out.again =
          std::min(out.again.value_or(kPodInterval), std::max(wait, std::chrono::seconds(1)));
      if (missing.problem) {
        out.problems.emplace(node, *missing.problem);
      }
    }
  }
  wake(cluster, taken);
  return out;
}

void HostAdmission::wake(const Cluster& cluster, const std::vector<std::string>& nodes) {
  std::vector<BatchClient::Request> requests;
  for (const std::string& node : nodes) {
    JsonObject annotations;
    annotations[kWokenAnnotation] = base::format_time(now_());
    requests.push_back(merge_patch_request(
        kube::resources::kStatefulSet, {cluster.namespace_name(), node},
        JsonObject{{"metadata", JsonObject{{"annotations", std::move(annotations)}}}}));
  }
  client_.run(std::move(requests));  // no matter how it ends: it only saves time
}

void HostAdmission::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  missing_.erase(cluster);
}

}  // namespace vk8s::controller
