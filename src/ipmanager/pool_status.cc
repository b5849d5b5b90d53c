#include "ipmanager/pool_status.h"

#include <algorithm>
#include <limits>

#include "base/wall_time.h"
#include "kube/request_path.h"

namespace vk8s::ipmanager {
namespace {

constexpr auto kDelay = std::chrono::seconds(1);
constexpr const char* kFieldManager = "vk8s-ip-manager";

std::int64_t number(std::uint64_t value) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(value, kMost));
}

}  // namespace

Json pool_status(const Json& pool, const Allocator::PoolState& state, std::string_view now) {
  JsonObject condition;
  condition["type"] = "Ready";
  condition["status"] = state.reason == "Ready" ? "True" : "False";
  condition["reason"] = state.reason;
  condition["message"] = state.message;
  const std::int64_t generation = base::get_int(pool, "metadata.generation").value_or(0);
  condition["observedGeneration"] = generation;
  condition["lastTransitionTime"] = now;
  const JsonArray* conditions = base::get_array(pool, "status.conditions");
  for (const Json& before : conditions == nullptr ? JsonArray() : *conditions) {
    const auto time = base::get_string(before, "lastTransitionTime");
    if (time && base::get_string(before, "type") == "Ready" &&
        base::get_string(before, "status") == base::get_string(condition, "status")) {
      condition["lastTransitionTime"] = *time;
    }
  }
  JsonObject out;
  out["observedGeneration"] = generation;
  out["capacity"] = number(state.capacity);
  out["allocated"] = number(state.allocated);
  out["outside"] = number(state.outside);
  out["conditions"] = JsonArray{std::move(condition)};
  return out;
}

PoolStatusWriter::PoolStatusWriter(Timers& timers, kube::Client& client, const Allocator& allocator,
                                   Log log)
    : timers_(timers),
      client_(client),
      allocator_(allocator),
      log_(std::move(log)),
      pools_(timers, client, {.resource = kube::resources::kVNodeIPPool}, log_) {
  pools_.add_handlers(
      {.on_added = [this](const kube::ObjectPtr&) { note(); },
       .on_updated = [this](const kube::ObjectPtr&, const kube::ObjectPtr&) { note(); }});
}

void PoolStatusWriter::start() {
  is_running_ = true;
  pools_.start();
}

void PoolStatusWriter::stop() {
  is_running_ = false;
  pools_.stop();
  timer_.cancel();
  calls_.clear();
}

void PoolStatusWriter::note() {
  if (is_running_ && !timer_) {
    timer_ = timers_.after(kDelay, [this] {
      timer_.cancel();
      write();
    });
  }
}

void PoolStatusWriter::write() {
  if (!allocator_.has_synced()) {
    note();
    return;
  }
  for (const kube::ObjectPtr& pool : pools_.store().list()) {
    write(*pool);
  }
}

void PoolStatusWriter::write(const Json& pool) {
  const std::string name = kube::key_of(pool).name;
  const auto state = allocator_.pool_state(name);
  if (!state) {
    return;  // one of the two watches is behind: the other's event comes
  }
  Json status = pool_status(pool, *state, base::format_time(std::chrono::system_clock::now()));
  const Json* before = base::find(pool, "status");
  if (before != nullptr && *before == status) {
    return;
  }
  if (calls_[name]) {
    note();
    return;
  }
  JsonObject metadata;
  metadata["name"] = name;
  JsonObject object;
  object["apiVersion"] = kube::resources::kVNodeIPPool.api_version();
  object["kind"] = kube::resources::kVNodeIPPool.kind;
  object["metadata"] = std::move(metadata);
  object["status"] = std::move(status);
  calls_[name] = client_.apply(
      kube::resources::kVNodeIPPool, object, {.field_manager = kFieldManager},
      [this, name](const Result<Json>& answer) {
        if (!answer) {
          log_.warning("status of a pool not written",
                       {{"pool", name}, {"error", answer.error().message()}});
        }
        calls_.erase(name);
      },
      "status");
}

}  // namespace vk8s::ipmanager
