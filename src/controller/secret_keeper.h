// Keeps the Secrets of clusters: by name, never from a cache.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/wall_time.h"
#include "controller/batch_client.h"
#include "controller/problem.h"
#include "controller/resource.h"

namespace vk8s::controller {

// Any thread but the loop's.
class SecretKeeper {
 public:
  using Now = std::function<base::WallTime()>;

  explicit SecretKeeper(BatchClient& client, Now now = std::chrono::system_clock::now);

  // Whether all of these were found right a short while ago, with the same inputs.
  bool are_fresh(const Cluster& cluster, const std::vector<const SecretResource*>& secrets) const;

  // Reads, creates or mends them, all at once; their contents, in order.
  // likely_new: no Secret is expected to be there, so they are created unread.
  OrProblem<std::vector<SecretResource::Content>> ensure(
      const Cluster& cluster, const std::vector<const SecretResource*>& secrets, bool likely_new);

  // Drops what is remembered of a cluster, so that its Secrets are read again.
  void forget(const kube::ObjectKey& cluster);

 private:
  struct Step;
  OrProblem<std::monostate> read(std::vector<Step>& steps, bool after_create);
  OrProblem<std::monostate> write(const Cluster& cluster, std::vector<Step>& steps);

  struct Checked {
    std::string inputs;  // their fingerprint
    base::WallTime until;
  };

  BatchClient& client_;
  Now now_;

  mutable std::mutex mutex_;
  // Guarded by mutex_: by cluster, then Secret name.
  std::map<kube::ObjectKey, std::map<std::string, Checked>> checked_;
};

}  // namespace vk8s::controller
