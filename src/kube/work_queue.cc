#include "kube/work_queue.h"

namespace vk8s::kube {

WorkQueue::WorkQueue(Options options)
    : options_(std::move(options)), backoff_(options_.first_delay, options_.max_delay) {}

void WorkQueue::add(const ObjectKey& key) {
  const std::scoped_lock lock(mutex_);
  add_locked(key);
}

void WorkQueue::add_locked(const ObjectKey& key) {
  if (shut_down_ || !waiting_.insert(key).second) {
    return;
  }
  if (!in_work_.contains(key)) {
    ready_.push_back(key);
    condition_.notify_one();
  }
}

void WorkQueue::add_after(const ObjectKey& key, std::chrono::nanoseconds delay) {
  const std::scoped_lock lock(mutex_);
  if (delay.count() <= 0) {
    add_locked(key);
    return;
  }
  if (shut_down_) {
    return;
  }
  const TimePoint due = options_.now() + std::chrono::duration_cast<TimePoint::duration>(delay);
  const auto [at, is_new] = delayed_.try_emplace(key, due);
  if (!is_new) {
    if (at->second <= due) {
      return;
    }
    by_time_.erase({at->second, key});
    at->second = due;
  }
  by_time_.emplace(due, key);
  // A waiting get() has to wake up earlier now.
  condition_.notify_one();
}

void WorkQueue::add_rate_limited(const ObjectKey& key) {
  std::chrono::milliseconds delay{};
  {
    const std::scoped_lock lock(mutex_);
    delay = backoff_.delay_of(failures_[key]++);
  }
  add_after(key, delay);
}

void WorkQueue::forget(const ObjectKey& key) {
  const std::scoped_lock lock(mutex_);
  failures_.erase(key);
}

unsigned WorkQueue::failures(const ObjectKey& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

void WorkQueue::promote_due() {
  const TimePoint now = options_.now();
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const ObjectKey key = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    delayed_.erase(key);
    add_locked(key);
  }
}

std::optional<ObjectKey> WorkQueue::take_locked() {
  promote_due();
  if (ready_.empty()) {
    return std::nullopt;
  }
  ObjectKey key = std::move(ready_.front());
  ready_.pop_front();
  waiting_.erase(key);
  in_work_.insert(key);
  return key;
}

std::optional<ObjectKey> WorkQueue::try_get() {
  const std::scoped_lock lock(mutex_);
  return take_locked();
}

std::optional<ObjectKey> WorkQueue::get() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (auto key = take_locked()) {
      // The wake-up for a delayed key may have come to the one who leaves now.
      if (!by_time_.empty() || !ready_.empty()) {
        condition_.notify_one();
      }
      return key;
    }
    if (shut_down_) {
      return std::nullopt;
    }
    if (by_time_.empty()) {
      condition_.wait(lock);
    } else {
      const TimePoint next = by_time_.begin()->first;
      condition_.wait_until(lock, next);
    }
  }
}

void WorkQueue::done(const ObjectKey& key) {
  const std::scoped_lock lock(mutex_);
  in_work_.erase(key);
  if (waiting_.contains(key)) {
    ready_.push_back(key);
    condition_.notify_one();
  }
}

void WorkQueue::shut_down() {
  const std::scoped_lock lock(mutex_);
  shut_down_ = true;
  delayed_.clear();
  by_time_.clear();
  condition_.notify_all();
}

std::size_t WorkQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return ready_.size();
}

}  // namespace vk8s::kube
