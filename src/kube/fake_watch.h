// One watch of FakeClient, and what of the objects it selects. Internal.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "kube/fake_client.h"
#include "kube/selector.h"

namespace vk8s::kube {

// Namespace, label and field selectors of a list or watch.
class FakeFilter {
 public:
  static Result<FakeFilter> create(std::string_view namespace_name, const ListOptions& options);
  bool matches(const Json& object) const;

 private:
  std::string namespace_name_;
  Selector labels_;
  Selector fields_;
};

struct FakeClient::Watch : std::enable_shared_from_this<FakeClient::Watch> {
  explicit Watch(Timers& t) : timers(t) {}

  // What a change is to this watch: nothing, or an event of perhaps another type
  // (an object that no longer matches is deleted to it).
  std::optional<WatchEvent> seen(const WatchEvent& event, const Json& previous) const;
  void push(WatchEvent event);
  void finish(Status status);

  Timers& timers;
  std::string collection;
  FakeFilter filter;
  std::function<void(WatchEvent)> on_event;
  std::function<void(Status)> on_done;
  std::deque<WatchEvent> queue;
  std::optional<Status> end;
  bool is_over = false;
  Registration timer;

 private:
  void schedule();
  void pump();
};

}  // namespace vk8s::kube
