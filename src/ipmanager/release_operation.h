// One release() on its way. Internal; on the loop's thread.
#pragma once

#include <functional>
#include <string>

#include "ipmanager/allocator_core.h"

namespace vk8s::ipmanager {

class ReleaseOperation {
 public:
  using Done = std::function<void(Status)>;

  // As of AllocateOperation.
  ReleaseOperation(AllocatorCore& core, IpAddress address, Expect expect, Done done);
  ReleaseOperation(const ReleaseOperation&) = delete;
  ReleaseOperation& operator=(const ReleaseOperation&) = delete;

  void start();
  void abort(Error error);

 private:
  void answer(Status status);
  void read();
  void take_read(const Result<Json>& object);
  // That is as expected; what is written next is on condition that it still is this one.
  void consider(const api::IpAllocation& allocation);
  void take_cluster(const api::IpAllocation& allocation, const Result<Json>& vk8s);
  void mark(const std::string& resource_version);
  void take_marked(const Result<Json>& object);
  // The cache is to show it as well, so that whoever asks next is told the same.
  void wait_until_seen(std::uint64_t version);

  AllocatorCore& core_;
  const IpAddress address_;
  const Expect expect_;
  Done done_;
  int rounds_ = 0;
  bool is_perhaps_marked_ = false;  // an answer was lost

  kube::Call call_;
  Registration wait_;
  Registration wait_limit_;
  Registration deadline_;
};

}  // namespace vk8s::ipmanager
