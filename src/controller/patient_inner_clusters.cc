#include "controller/patient_inner_clusters.h"

#include <algorithm>
#include <utility>

namespace vk8s::controller {
namespace {

constexpr std::string_view kTooSlow =
    "the API server inside answers too slowly: it is asked less often";

}  // namespace

bool PatientInnerClusters::has_identity(const kube::ObjectKey& cluster) const {
  return inner_.has_identity(cluster);
}

Status PatientInnerClusters::adopt(const Cluster& cluster) { return inner_.adopt(cluster); }

void PatientInnerClusters::forget(const kube::ObjectKey& cluster) {
  inner_.forget(cluster);
  const std::lock_guard lock(mutex_);
  slow_.erase(cluster);
}

// One worker of several at most waits for clusters that are known to be slow.
bool PatientInnerClusters::may_ask(const kube::ObjectKey& cluster, std::string& words) {
  const std::lock_guard lock(mutex_);
  const auto slow = slow_.find(cluster);
  if (slow == slow_.end()) {
    return true;
  }
  if (now_() < slow->second.until || !asked_.empty()) {
    words = slow->second.words;
    return false;
  }
  asked_.insert(cluster);
  return true;
}

void PatientInnerClusters::learn(const kube::ObjectKey& cluster,
                                 std::chrono::steady_clock::duration took,
                                 const std::vector<Result<Json>>& results) {
  const std::lock_guard lock(mutex_);
  asked_.erase(cluster);
  if (took < kSlowAnswer) {
    const auto slow = slow_.find(cluster);
    if (slow != slow_.end() && --slow->second.times <= 0) {
      slow_.erase(slow);
    }
    return;
  }
  Slow& slow = slow_[cluster];
  std::chrono::steady_clock::duration rest = took * kRestFactor;
  for (int i = 0; i < slow.times && rest < kMaxRest; ++i) {
    rest *= 2;
  }
  ++slow.times;
  slow.until = now_() + std::min<std::chrono::steady_clock::duration>(rest, kMaxRest);
  const auto failed = std::find_if(results.begin(), results.end(),
                                   [](const Result<Json>& result) { return !result; });
  slow.words = failed == results.end() ? std::string(kTooSlow) : failed->error().message();
}

std::vector<Result<Json>> PatientInnerClusters::run(const kube::ObjectKey& cluster,
                                                    std::vector<BatchClient::Request> requests) {
  if (requests.empty()) {
    return {};
  }
  std::string words;
  if (!may_ask(cluster, words)) {
    return std::vector<Result<Json>>(requests.size(),
                                     tl::unexpected<Error>(Error(Errc::kUnavailable, words)));
  }
  const auto begin = now_();
  auto results = inner_.run(cluster, std::move(requests));
  learn(cluster, now_() - begin, results);
  return results;
}

}  // namespace vk8s::controller
