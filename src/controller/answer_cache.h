// What was read of the API server for a cluster, while it is fresh, and what it was before.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/wall_time.h"
#include "kube/client.h"

namespace vk8s::controller {

// Any thread. The last answer of each cluster.
template <class Answer>
class AnswerCache {
 public:
  struct Known {
    std::string asked;  // the question, in any words
    Answer answer;
    base::WallTime until;  // then it is asked again; the answer is kept
  };

  // Nothing where the last question was another.
  std::optional<Known> find(const kube::ObjectKey& cluster, std::string_view asked) const {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find(cluster);
    return at != known_.end() && at->second.asked == asked ? std::optional(at->second)
                                                           : std::nullopt;
  }

  void put(const kube::ObjectKey& cluster, Known known) {
    const std::lock_guard lock(mutex_);
    known_.insert_or_assign(cluster, std::move(known));
  }

  void forget(const kube::ObjectKey& cluster) {
    const std::lock_guard lock(mutex_);
    known_.erase(cluster);
  }

 private:
  mutable std::mutex mutex_;
  std::map<kube::ObjectKey, Known> known_;  // guarded by mutex_
};

}  // namespace vk8s::controller
