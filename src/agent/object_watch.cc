#include "agent/object_watch.h"

namespace vk8s::agent {
namespace {

// Short: the first watches begin while the API server still refuses them.
constexpr auto kRetryDelay = std::chrono::milliseconds(200);

}  // namespace

ObjectWatch::ObjectWatch(Timers& timers, kube::Client& client, kube::Resource resource,
                         std::string field_selector, Handler handler, Log log)
    : timers_(timers),
      client_(client),
      resource_(std::move(resource)),
      field_selector_(std::move(field_selector)),
      handler_(std::move(handler)),
      log_(std::move(log)) {}

void ObjectWatch::start() {
  kube::WatchOptions options;
  options.list.field_selector = field_selector_;
  call_ = client_.watch(
      resource_, "", options, [this](const kube::WatchEvent& event) { handler_(event); },
      [this](const Status& status) { on_done(status); });
}

void ObjectWatch::on_done(const Status& status) {
  if (!status) {
    log_.debug("watch ended", {{"kind", resource_.kind}, {"error", status.error().message()}});
  }
  retry_ = timers_.after(kRetryDelay, [this] { start(); });
}

}  // namespace vk8s::agent
