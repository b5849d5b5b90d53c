// Which pods have which addresses on this node, by the records of its CNI plugin:
// published as api::kHeldIpsAnnotation of the Node, for who compares it with the
// IPAllocations, and freed of what no container holds any more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cni/record_store.h"
#include "kube/backoff.h"
#include "kube/client.h"

namespace vk8s::ipnode {

// More are left out: an object's annotations have 256 KiB in all.
inline constexpr std::size_t kMaxPublished = 1024;

// The annotation's value. Pure.
std::string held_ips(const std::vector<cni::Record>& records);

// One thread: the loop's. What is passed in outlives it.
class HeldAddresses {
 public:
  // client may patch the Node. The folder of the records is made if it is not there.
  static Result<std::unique_ptr<HeldAddresses>> start(EventLoop& loop, kube::Client& client,
                                                      std::string node, std::string store, Log log);
  HeldAddresses(const HeldAddresses&) = delete;
  HeldAddresses& operator=(const HeldAddresses&) = delete;

 private:
  HeldAddresses(EventLoop& loop, kube::Client& client, std::string node, std::string store,
                Log log);
  Status watch_folder();
  void on_change();
  void sweep();
  void publish();
  void on_published(const std::string& text, const Result<Json>& patched);

  EventLoop& loop_;
  kube::Client& client_;
  std::string node_;
  cni::RecordStore store_;
  Log log_;
  UniqueFd inotify_;
  Registration changed_;
  Registration publication_;
  Registration sweep_;
  kube::Call call_;
  kube::Backoff backoff_;
  bool is_published_ = false;
  std::string published_;
};

}  // namespace vk8s::ipnode
