// Events: what happened to an object, for `kubectl describe`.
//
// An event that repeats raises the count of the one there is. Many similar ones
// (same object, type and reason, other message) are combined, and an object that
// says too much falls silent for a while: an Event is never worth an overload.
// Source: client-go tools/record/events_cache.go.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::kube {

enum class EventType { kNormal, kWarning };

// What an event is about.
struct ObjectReference {
  Resource resource;
  ObjectKey key;
  std::string uid;
};
ObjectReference reference_to(const Resource& resource, const Json& object);

// Events go out one after the other; those that cannot be written are dropped.
// client outlives it. Made and ended on the loop's thread.
class EventRecorder {
 public:
  // component: "vk8s-controller"; instance: the pod's or machine's name.
  EventRecorder(EventLoop& loop, Client& client, std::string component, std::string instance,
                Log log);
  ~EventRecorder();

  // Any thread; returns at once. reason is one CamelCase word; message at most
  // 1,024 bytes (cut), safe to show.
  void record(const ObjectReference& object, EventType type, std::string_view reason,
              std::string_view message);

 private:
  class Sink;
  EventLoop& loop_;
  std::shared_ptr<Sink> sink_;
};

// The part that decides. Loop's thread; pure but for the time it is given.
class EventAggregator {
 public:
  using TimePoint = Timers::TimePoint;
  struct Event {
    ObjectReference object;
    EventType type;
    std::string reason;
    std::string message;
  };
  struct Decision {
    enum class Kind { kDrop, kCreate, kCount };
    Kind kind = Kind::kDrop;
    std::string message;  // as it is to be written
    ObjectKey event;      // kCount: the one to count up
    int count = 1;
  };

  Decision decide(const Event& event, TimePoint now);
  // An event was created, or is there no longer ({}).
  void remember(const Event& event, const std::string& message, const ObjectKey& key);

 private:
  using Group = std::tuple<std::string, int, std::string>;  // uid, type, reason
  struct Written {
    ObjectKey key;
    int count = 1;
  };
  struct Record {
    TimePoint last;
    std::map<std::string, Written> by_message;
    std::deque<TimePoint> recent;  // distinct messages
    double tokens = 25;
    std::list<Group>::iterator age;
  };
  Record& record_of(const Group& group, TimePoint now);

  std::map<Group, Record> records_;
  std::list<Group> by_age_;  // least recently used first
};

}  // namespace vk8s::kube
