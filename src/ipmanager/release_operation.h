// One release() on its way. Internal; on the loop's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ipmanager/allocator_core.h"

namespace vk8s::ipmanager {

class ReleaseOperation {
 public:
  using Done = std::function<void(Status)>;

  // As of AllocateOperation.
  ReleaseOperation(AllocatorCore& core, IpAddress address, std::optional<api::IpOwner> owner,
                   Done done);
  ReleaseOperation(const ReleaseOperation&) = delete;
  ReleaseOperation& operator=(const ReleaseOperation&) = delete;

  void start();
  void abort(Error error);

 private:
  void answer(Status status);
  bool is_of_owner(const api::IpAllocation& allocation) const;
  void read();
  void take_read(const Result<Json>& object);
  void mark(const std::string& resource_version);
  void take_marked(const Result<Json>& object);
  // The cache is to show it as well, so that whoever asks next is told the same.
  void wait_until_seen(std::uint64_t version);

  AllocatorCore& core_;
  const IpAddress address_;
  const std::optional<api::IpOwner> owner_;
  Done done_;
  int rounds_ = 0;

  kube::Call call_;
  Registration wait_;
  Registration wait_limit_;
  Registration deadline_;
};

}  // namespace vk8s::ipmanager
