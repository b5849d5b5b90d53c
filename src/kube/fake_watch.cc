#include "kube/fake_watch.h"

namespace vk8s::kube {

Result<FakeFilter> FakeFilter::create(std::string_view namespace_name, const ListOptions& options) {
  FakeFilter filter;
  filter.namespace_name_ = namespace_name;
  filter.labels_ = VK8S_TRY(Selector::parse(options.label_selector));
  filter.fields_ = VK8S_TRY(Selector::parse(options.field_selector));
  return filter;
}

bool FakeFilter::matches(const Json& object) const {
  if (!namespace_name_.empty() &&
      base::get_string(object, "metadata.namespace") != namespace_name_) {
    return false;
  }
  std::map<std::string, std::string> labels;
  if (const JsonObject* values = base::get_object(object, "metadata.labels")) {
    for (const auto& [key, value] : *values) {
      if (value.is_string()) {
        labels.emplace(std::string(key), std::string(value.get_string()));
      }
    }
  }
  std::map<std::string, std::string> fields;
  for (const std::string& path : fields_.keys()) {
    fields.emplace(path, base::get_string(object, path).value_or(""));
  }
  return labels_.matches(labels) && fields_.matches(fields);
}

std::optional<WatchEvent> FakeClient::Watch::seen(const WatchEvent& event,
                                                  const Json& previous) const {
  const bool matched = previous.is_object() && filter.matches(previous);
  const bool matches = event.type != WatchEvent::Type::kDeleted && filter.matches(event.object);
  if (matches) {
    return WatchEvent{matched ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded,
                      event.object};
  }
  if (matched) {
    return WatchEvent{WatchEvent::Type::kDeleted, event.object};
  }
  return std::nullopt;
}

void FakeClient::Watch::push(WatchEvent event) {
  queue.push_back(std::move(event));
  schedule();
}

void FakeClient::Watch::finish(Status status) {
  if (!end) {
    end = std::move(status);
    schedule();
  }
}

void FakeClient::Watch::schedule() {
  if (!timer) {
    timer = timers.after(std::chrono::nanoseconds(0), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->timer.cancel();
        self->pump();
      }
    });
  }
}

void FakeClient::Watch::pump() {
  while (!is_over && !queue.empty()) {
    WatchEvent event = std::move(queue.front());
    queue.pop_front();
    on_event(std::move(event));
  }
  if (!is_over && end) {
    is_over = true;
    on_done(std::move(*end));
  }
}

}  // namespace vk8s::kube
