// Keeps VNodeIPPool.status equal to how each pool stands. Written only where it
// differs, so that several who do this do not write in turns.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/log.h"
#include "ipmanager/allocator.h"
#include "kube/informer.h"

namespace vk8s::ipmanager {

// The status of a pool object (as it is on the server) that stands so. Pure.
Json pool_status(const Json& pool, const Allocator::PoolState& state, std::string_view now);

// On the loop's thread. What is passed in outlives it.
class PoolStatusWriter {
 public:
  PoolStatusWriter(Timers& timers, kube::Client& client, const Allocator& allocator, Log log);

  void start();
  void stop();
  // Something has changed: the pools are looked at within a second.
  void note();

 private:
  void write();
  void write(const Json& pool);

  Timers& timers_;
  kube::Client& client_;
  const Allocator& allocator_;
  Log log_;
  kube::Informer pools_;
  bool is_running_ = false;
  Registration timer_;
  std::map<std::string, kube::Call> calls_;  // by pool
};

}  // namespace vk8s::ipmanager
