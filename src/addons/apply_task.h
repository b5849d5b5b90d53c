// Brings one object to where it is to be: a few requests, then it is over. On the
// loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "addons/apply_decision.h"
#include "base/error.h"
#include "kube/client.h"

namespace vk8s::addons {

struct ApplyRequest {
  ObjectId id;
  kube::Resource resource;
  Json wanted;  // marked()
  std::string set_name;
  // It cannot be there: its Namespace or its CRD has only just been made.
  bool is_known_absent = false;
};

struct ApplyOutcome {
  bool is_created = false;      // there was none
  bool is_foreign = false;      // somebody else's is used
  std::string note;             // of a foreign one
  std::vector<KeptField> kept;  // what others own
  std::string uid;
  std::int64_t generation = 0;
  Json live;  // as it is now
};

// Errors: is_transient() says which ones time heals. One of kInvalidArgument, kForbidden
// and so on is the API server's word, or that of decide() (kAlreadyExists: it is
// somebody else's).
class ApplyTask {
 public:
  using Done = std::function<void(Result<ApplyOutcome>)>;

  // done is called once, from the loop, and may not delete the task.
  ApplyTask(kube::Client& client, ApplyRequest request, Done done);
  ApplyTask(const ApplyTask&) = delete;
  ApplyTask& operator=(const ApplyTask&) = delete;

  void start();

 private:
  void read();
  void take_live(Result<Json> live);
  void apply(Json object);
  void take_applied(Result<Json> applied);
  // Deletes what cannot be changed; the next task finds it gone.
  void replace();
  void take_removed(Result<Json> removed);
  void finish(Json live);
  void fail_with(Error error);

  kube::Client& client_;
  const ApplyRequest request_;
  Done done_;
  int rounds_ = 0;
  std::optional<Error> conflict_;  // the last one
  std::string live_uid_;           // "" = there was none
  ApplyOutcome outcome_;
  kube::Call call_;
};

}  // namespace vk8s::addons
