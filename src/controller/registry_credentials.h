// What of a cluster's pull Secrets is for the registry that its nodes ask first.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/log.h"
#include "base/wall_time.h"
#include "controller/answer_cache.h"
#include "controller/batch_client.h"
#include "controller/cluster.h"
#include "controller/problem.h"

namespace vk8s::controller {

// Base64 of "user:password" for that "host[:port]", of a Secret of type
// kubernetes.io/dockerconfigjson: as api::registry_auth() has it.
Result<std::string> registry_auth_in(const Json& secret, std::string_view host);

// Any thread but the loop's.
class RegistryCredentials {
 public:
  using Now = std::function<base::WallTime()>;

  RegistryCredentials(BatchClient& client, Log log, Now now = std::chrono::system_clock::now);

  // Base64 of "user:password" for settings.registry_mirror, of the first of
  // spec.imagePullSecrets that has an entry for its host; "" where none has. As a
  // kubelet does, a Secret that is not there or cannot be used is passed over. Read
  // by name, again after some minutes; a problem only where nothing is known yet.
  OrProblem<std::string> find(const Cluster& cluster);

  void forget(const kube::ObjectKey& cluster) { known_.forget(cluster); }

 private:
  Result<std::string> read(const Cluster& cluster, std::string_view host);

  BatchClient& client_;
  Log log_;
  Now now_;
  AnswerCache<std::string> known_;
};

}  // namespace vk8s::controller
