#include "kube/events.h"

#include "base/text.h"
#include "base/wall_time.h"
#include "kube/request_path.h"

namespace vk8s::kube {
namespace {

constexpr std::size_t kMaxQueued = 1000;
constexpr std::size_t kMaxMessageBytes = 1024;

std::string_view to_string(EventType type) {
  return type == EventType::kNormal ? "Normal" : "Warning";
}

boost::json::string text(std::string_view value) {
  return boost::json::string(value.data(), value.size());
}

}  // namespace

ObjectReference reference_to(const Resource& resource, const Json& object) {
  return {.resource = resource,
          .key = key_of(object),
          .uid = std::string(base::get_string(object, "metadata.uid").value_or(""))};
}

// Writes events one at a time, on the loop's thread.
class EventRecorder::Sink : public std::enable_shared_from_this<Sink> {
 public:
  Sink(EventLoop& loop, Client& client, std::string component, std::string instance, Log log)
      : loop_(loop),
        client_(client),
        component_(std::move(component)),
        instance_(std::move(instance)),
        log_(log.child("events")) {}

  void take(EventAggregator::Event event) {
    if (closed_ || queue_.size() >= kMaxQueued) {
      return;
    }
    queue_.push_back(std::move(event));
    if (!call_) {
      next();
    }
  }

  void close() {
    closed_ = true;
    queue_.clear();
    call_.cancel();
  }

 private:
  void next() {
    call_.cancel();
    while (!closed_ && !queue_.empty() && !call_) {
      const EventAggregator::Event event = std::move(queue_.front());
      queue_.pop_front();
      const auto decision = aggregator_.decide(event, loop_.now());
      switch (decision.kind) {
        case EventAggregator::Decision::Kind::kDrop:
          break;
        case EventAggregator::Decision::Kind::kCreate:
          create(event, decision.message);
          break;
        case EventAggregator::Decision::Kind::kCount:
          count(event, decision);
          break;
      }
    }
  }

  void create(const EventAggregator::Event& event, const std::string& message) {
    const Json object = document(event, message);
    const ObjectKey key = key_of(object);
    aggregator_.remember(event, message, key);
    call_ = client_.create(resources::kEvent, key.namespace_name, object,
                           [this, event, message](const Result<Json>& created) {
                             if (!created) {
                               log_.debug("not written", {{"error", created.error().message()}});
                               aggregator_.remember(event, message, {});
                             }
                             next();
                           });
  }

  void count(const EventAggregator::Event& event, const EventAggregator::Decision& decision) {
    const Json patch =
        JsonObject{{"count", decision.count},
                   {"message", decision.message},
                   {"lastTimestamp", base::format_time(std::chrono::system_clock::now())}};
    call_ =
        client_.merge_patch(resources::kEvent, decision.event, patch,
                            [this, event, message = decision.message](const Result<Json>& patched) {
                              if (!patched && patched.error().code() == Errc::kNotFound) {
                                create(event, message);  // it has expired
                                return;
                              }
                              next();
                            });
  }

  Json document(const EventAggregator::Event& event, const std::string& message) {
    const auto now = std::chrono::system_clock::now();
    const std::string time = base::format_time(now);
    const std::string space =
        event.object.key.namespace_name.empty() ? "default" : event.object.key.namespace_name;
    return JsonObject{
        {"apiVersion", "v1"},
        {"kind", "Event"},
        {"metadata", JsonObject{{"name", fmt::format("{}.{:x}.{:x}", event.object.key.name,
                                                     now.time_since_epoch().count(), ++last_id_)},
                                {"namespace", space}}},
        {"involvedObject", JsonObject{{"apiVersion", event.object.resource.api_version()},
                                      {"kind", event.object.resource.kind},
                                      {"namespace", event.object.key.namespace_name},
                                      {"name", event.object.key.name},
                                      {"uid", event.object.uid}}},
        {"type", text(to_string(event.type))},
        {"reason", event.reason},
        {"message", message},
        {"count", 1},
        {"firstTimestamp", time},
        {"lastTimestamp", time},
        {"source", JsonObject{{"component", component_}, {"host", instance_}}},
        {"reportingComponent", component_},
        {"reportingInstance", instance_}};
  }

  EventLoop& loop_;
  Client& client_;
  const std::string component_;
  const std::string instance_;
  Log log_;
  EventAggregator aggregator_;
  std::deque<EventAggregator::Event> queue_;
  Call call_;
  std::uint32_t last_id_ = 0;
  bool closed_ = false;
};

EventRecorder::EventRecorder(EventLoop& loop, Client& client, std::string component,
                             std::string instance, Log log)
    : loop_(loop),
      sink_(std::make_shared<Sink>(loop, client, std::move(component), std::move(instance),
                                   std::move(log))) {}

EventRecorder::~EventRecorder() { sink_->close(); }

void EventRecorder::record(const ObjectReference& object, EventType type, std::string_view reason,
                           std::string_view message) {
  EventAggregator::Event event{.object = object,
                               .type = type,
                               .reason = base::printable(reason, 128),
                               .message = base::printable(message, kMaxMessageBytes)};
  loop_.post([sink = sink_, event = std::move(event)]() mutable { sink->take(std::move(event)); });
}

}  // namespace vk8s::kube
