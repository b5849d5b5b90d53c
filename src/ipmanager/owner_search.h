// Looks through all IPAllocations at the API server for what a pod has: the cache may be
// behind, and an owner is nothing one can GET by. Internal; on the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/ip_allocation.h"
#include "base/event_loop.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

// One search at a time, for all who have asked before it began: it costs the API server a
// list of everything, so it is for what is about to be refused only.
class OwnerSearch {
 public:
  // What the owner has, releasing ones too.
  using Callback = std::function<void(Result<std::vector<api::IpAllocation>>)>;

  explicit OwnerSearch(kube::Client& client) : client_(client) {}
  OwnerSearch(const OwnerSearch&) = delete;
  OwnerSearch& operator=(const OwnerSearch&) = delete;

  // Calls back once, never from inside the call; not after the Registration has ended.
  Registration find(api::IpOwner owner, Callback callback);

 private:
  struct Question {
    api::IpOwner owner;
    Callback callback;
    std::vector<api::IpAllocation> found;
  };

  void begin();
  void read_page(const std::string& continue_token);
  void take_page(const Result<Json>& list);
  void end(const Status& status);

  kube::Client& client_;
  std::vector<std::weak_ptr<Question>> next_;   // of the next search
  std::vector<std::weak_ptr<Question>> asked_;  // of the one that runs
  kube::Call call_;
};

}  // namespace vk8s::ipmanager
