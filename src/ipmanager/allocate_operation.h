// One allocate() on its way. Internal; on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipmanager/allocator_core.h"

namespace vk8s::ipmanager {

class AllocateOperation {
 public:
  using Done = std::function<void(Result<api::IpAllocation>)>;

  // done is called once, never from inside the constructor, and may not delete the
  // operation: it is over then, and called back by nothing.
  AllocateOperation(AllocatorCore& core, AllocationRequest request, Done done);
  ~AllocateOperation();
  AllocateOperation(const AllocateOperation&) = delete;
  AllocateOperation& operator=(const AllocateOperation&) = delete;

  // The first time counts.
  void start();
  void abort(Error error);
  const AllocationRequest& request() const { return request_; }

 private:
  using Callback = void (AllocateOperation::*)(Result<Json>);

  void answer(Result<api::IpAllocation> result);
  void fail_with(Error error);
  kube::Client::Callback then(Callback step);

  // Begins (again) with what is known.
  void look_up();
  bool is_of_use(const api::IpAllocation& allocation) const;
  // The pod has one, by the cache: by the API server as well?
  void read_own();
  void take_own(Result<Json> object);
  // Takes what was given back or reserved, or what its creator may be about to delete.
  void take_over(const api::IpAllocation& live);
  void take_written(Result<Json> object);

  void choose();
  // The pools would refuse it, by the cache; but the pod may have one that the watch has
  // not shown yet.
  void confirm_refusal(Error error);
  void take_wish(const Result<Json>& object);
  void take_owned(const Result<std::vector<api::IpAllocation>>& found);
  void create();
  void take_created(Result<Json> object);
  // Somebody has it, or the answer to its creation was lost: whose is it?
  void read_place();
  void take_place(Result<Json> object);
  void take_reservation(const api::IpAllocation& live);
  void refuse_or_go_on(const std::optional<api::IpAllocation>& holder);

  // Ours, if it is the first: that is known once the watch has come to its version.
  void settle_when_seen(api::IpAllocation ours, bool is_created);
  void wait_for(std::uint64_t version, void (AllocateOperation::*step)());
  void settle();
  void give_up();
  void take_given_up(Result<Json> answer);

  void claim(Place place);
  void drop_claim();

  AllocatorCore& core_;
  const AllocationRequest request_;
  Done done_;
  const std::string word_;  // see kClaimAnnotation
  bool is_started_ = false;
  int rounds_ = 0;
  unsigned attempt_ = 0;
  std::set<std::string> skipped_;  // uids of what the cache still shows and is no more
  std::optional<AllocationIndex::Held> own_;
  std::optional<Place> place_;
  std::optional<api::IpAllocation> ours_;
  std::optional<Error> refusal_;
  bool is_created_ = false;

  kube::Call call_;
  Registration wait_;
  Registration search_;
  Registration deadline_;
};

}  // namespace vk8s::ipmanager
