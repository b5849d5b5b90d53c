// Asks a cluster whether it has room for a set: a Precheck. On the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "addons/capacity.h"
#include "kube/client.h"

namespace vk8s::addons {

class CapacityCheck {
 public:
  using Done = std::function<void(std::vector<std::string>)>;

  // client outlives it.
  CapacityCheck(kube::Client& client, std::shared_ptr<const ManifestSet> set);

  // done is called once, from the loop, unless the check ends before or is asked again.
  // A cluster that does not tell is no problem of this kind.
  void ask(Done done);

 private:
  void take_nodes(Result<Json> nodes);
  void list_pods(const std::string& continue_token);
  void take_pods(Result<Json> pods);

  kube::Client& client_;
  const std::shared_ptr<const ManifestSet> set_;
  Done done_;
  Capacity capacity_;  // less the pods so far
  kube::Call call_;
};

}  // namespace vk8s::addons
