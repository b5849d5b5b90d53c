#include <algorithm>

#include "kube/events.h"

namespace vk8s::kube {
namespace {

using std::chrono::minutes;

constexpr std::size_t kMaxGroups = 4096;
constexpr auto kWindow = minutes(10);
constexpr std::size_t kMaxDistinct = 10;        // messages of one group in a window
constexpr double kBurst = 25;                   // events of one group, then ...
constexpr double kTokensPerSecond = 1.0 / 300;  // ... one in five minutes

}  // namespace

EventAggregator::Record& EventAggregator::record_of(const Group& group, TimePoint now) {
  auto found = records_.find(group);
  if (found != records_.end() && now - found->second.last > kWindow) {
    by_age_.erase(found->second.age);
    records_.erase(found);
    found = records_.end();
  }
  if (found == records_.end()) {
    if (records_.size() >= kMaxGroups) {
      records_.erase(by_age_.front());
      by_age_.pop_front();
    }
    found = records_.emplace(group, Record()).first;
    found->second.last = now;
    found->second.age = by_age_.insert(by_age_.end(), group);
  }
  Record& record = found->second;
  by_age_.splice(by_age_.end(), by_age_, record.age);
  const double seconds = std::chrono::duration<double>(now - record.last).count();
  record.tokens = std::min(kBurst, record.tokens + seconds * kTokensPerSecond);
  record.last = now;
  return record;
}

EventAggregator::Decision EventAggregator::decide(const Event& event, TimePoint now) {
  Record& record = record_of({event.object.uid, static_cast<int>(event.type), event.reason}, now);
  if (record.tokens < 1) {
    return {};
  }
  record.tokens -= 1;
  Decision decision{.kind = Decision::Kind::kCreate, .message = event.message, .event = {}};
  if (!record.by_message.contains(event.message)) {
    std::erase_if(record.recent, [now](TimePoint time) { return now - time > kWindow; });
    if (record.recent.size() >= kMaxDistinct) {
      decision.message = "(combined from similar events): " + event.message;
    } else {
      record.recent.push_back(now);
    }
  }
  const bool is_combined = decision.message != event.message;
  // All combined ones are one event, whatever the newest says.
  const auto written = record.by_message.find(is_combined ? "" : event.message);
  if (written != record.by_message.end()) {
    decision.kind = Decision::Kind::kCount;
    decision.event = written->second.key;
    decision.count = ++written->second.count;
  }
  return decision;
}

void EventAggregator::remember(const Event& event, const std::string& message,
                               const ObjectKey& key) {
  const auto found = records_.find({event.object.uid, static_cast<int>(event.type), event.reason});
  if (found == records_.end()) {
    return;
  }
  const std::string& place = message == event.message ? message : std::string();
  if (key.name.empty()) {
    found->second.by_message.erase(place);
  } else {
    found->second.by_message[place] = {.key = key, .count = 1};
  }
}

}  // namespace vk8s::kube
