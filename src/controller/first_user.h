// The password of the first user of a cluster's Kubeflow.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/wall_time.h"
#include "controller/addons.h"
#include "controller/answer_cache.h"
#include "controller/batch_client.h"
#include "controller/secret_keeper.h"

namespace vk8s::controller {

// Any thread but the loop's.
class FirstUsers {
 public:
  using Now = std::function<base::WallTime()>;

  // secrets outlives it, as client does.
  FirstUsers(BatchClient& client, SecretKeeper& secrets, Now now = std::chrono::system_clock::now);

  // Of the Secret that spec.kubeflow.passwordSecretRef names; without that, of one that is
  // generated. Read by name, again after some minutes; of one that is wrong after seconds.
  // Nothing while it cannot be asked for and is not known.
  std::optional<AddonLogin> find(const Cluster& cluster);

  void forget(const kube::ObjectKey& cluster) { known_.forget(cluster); }

 private:
  Result<std::string> read(const Cluster& cluster);
  Result<std::string> generate(const Cluster& cluster);

  BatchClient& client_;
  SecretKeeper& secrets_;
  Now now_;
  AnswerCache<AddonLogin> known_;
};

}  // namespace vk8s::controller
