// Keeps slow virtual clusters from holding the controller up: whoever is root inside
// decides when its API server answers, and a reconcile waits for that.
//
// A cluster that has let somebody wait is not asked again for a while, which grows
// as long as that goes on; and only one such cluster is asked at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "controller/inner_cluster.h"

namespace vk8s::controller {

// An answer that took longer than this has let somebody wait.
inline constexpr std::chrono::milliseconds kSlowAnswer{2000};
// It costs the cluster so many times as long, doubled for each that came before and
// halved again by each that came in time.
inline constexpr int kRestFactor = 4;
inline constexpr std::chrono::minutes kMaxRest{5};

class PatientInnerClusters final : public InnerClusters {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // inner outlives it.
  explicit PatientInnerClusters(InnerClusters& inner, Now now = std::chrono::steady_clock::now)
      : inner_(inner), now_(std::move(now)) {}

  bool has_identity(const kube::ObjectKey& cluster) const override;
  Status adopt(const Cluster& cluster) override;
  void forget(const kube::ObjectKey& cluster) override;
  // kUnavailable at once, in the words of the last failure, while the cluster rests.
  std::vector<Result<Json>> run(const kube::ObjectKey& cluster,
                                std::vector<BatchClient::Request> requests) override;

 private:
  struct Slow {
    std::chrono::steady_clock::time_point until;
    int times = 0;      // slow answers, less those in time since
    std::string words;  // of the last failure
  };
  bool may_ask(const kube::ObjectKey& cluster, std::string& words);
  void learn(const kube::ObjectKey& cluster, std::chrono::steady_clock::duration took,
             const std::vector<Result<Json>>& results);

  InnerClusters& inner_;
  Now now_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, Slow> slow_;
  std::set<kube::ObjectKey> asked_;  // of slow_: those being asked
};

}  // namespace vk8s::controller
