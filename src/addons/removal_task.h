// Takes one object away, if it is the set's and nothing speaks against it: one look, one
// act, then it is over. On the loop's thread.
#pragma once

#include <functional>
#include <string>

#include "addons/inventory.h"
#include "addons/kind_resolver.h"
#include "base/error.h"
#include "kube/client.h"

namespace vk8s::addons {

struct RemovalOptions {
  // Volume claims too, CRDs with all objects of their kind, Namespaces with all that is
  // in them.
  bool delete_data = false;
};

enum class RemovalResult {
  kGone,     // it is not there, or not of this set
  kKept,     // it stays, for a reason
  kPending,  // look again
};
struct RemovalOutcome {
  RemovalResult result = RemovalResult::kPending;
  std::string reason;  // of kKept and kPending; safe to show
};

// Where in the order of removal a kind stands, 0 first: custom resources while their
// controllers run, webhook configurations, APIServices, workloads, the rest, CRDs,
// volume claims, Namespaces.
int removal_rank(const ObjectId& id);

class RemovalTask {
 public:
  using Done = std::function<void(RemovalOutcome)>;

  // is_patient: what may still go by itself (pods in a Namespace) is waited for.
  // done is called once, from the loop or from inside start(), and may not delete the
  // task. client and resolver outlive it.
  RemovalTask(kube::Client& client, KindResolver& resolver, InventoryEntry entry,
              std::string set_name, RemovalOptions options, bool is_patient, Done done);
  RemovalTask(const RemovalTask&) = delete;
  RemovalTask& operator=(const RemovalTask&) = delete;

  void start();

 private:
  void take_resource(Result<kube::Resource> resource);
  void take_live(Result<Json> live);
  // A CRD goes only when no object of its kind is left.
  void look_for_instances(const Json& definition);
  // A Namespace goes only when no claim is left in it, and no pod.
  void look_for_claims();
  void look_for_pods();
  void take_list(Result<Json> list, const std::string& reason, void (RemovalTask::*next)());
  void remove();
  void finish(RemovalResult result, std::string reason = "");
  void retry(const Error& error);

  kube::Client& client_;
  KindResolver& resolver_;
  InventoryEntry entry_;
  const std::string set_name_;
  const RemovalOptions options_;
  const bool is_patient_;
  Done done_;
  kube::Resource resource_;
  std::string uid_;
  kube::Call call_;
  // The resolver outlives the task, and may answer when that is gone.
  std::shared_ptr<RemovalTask*> self_;
};

}  // namespace vk8s::addons
