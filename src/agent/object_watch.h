// Follows objects of one kind for ever: first what is there, then each change.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::agent {

// After any end of the watch it begins anew, with what is there then; so a
// handler is level-triggered and may see one state twice. A deletion during the
// gap is not told (kube::Informer does that). One thread: the loop's.
class ObjectWatch {
 public:
  using Handler = std::function<void(const kube::WatchEvent&)>;

  ObjectWatch(Timers& timers, kube::Client& client, kube::Resource resource,
              std::string field_selector, Handler handler, Log log);
  void start();

 private:
  void on_done(const Status& status);

  Timers& timers_;
  kube::Client& client_;
  kube::Resource resource_;
  std::string field_selector_;
  Handler handler_;
  Log log_;
  kube::Call call_;
  Registration retry_;
};

}  // namespace vk8s::agent
