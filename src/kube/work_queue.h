// Keys of objects that somebody should look at.
//
// A key waits at most once, however often it is added, and is never worked on by
// two at a time: added while being worked on, it comes again after done().
// Source: client-go util/workqueue. Every function: any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "kube/backoff.h"
#include "kube/client.h"

namespace vk8s::kube {

class WorkQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Options {
    // Of add_rate_limited(): doubling from first to cap, with jitter.
    std::chrono::milliseconds first_delay{50};
    std::chrono::milliseconds max_delay = std::chrono::seconds(60);
    // For tests with try_get(); get() waits in real time.
    std::function<TimePoint()> now = std::chrono::steady_clock::now;
  };

  explicit WorkQueue(Options options);
  WorkQueue() : WorkQueue(Options{}) {}

  void add(const ObjectKey& key);
  // Not before delay has passed; of several, the earliest holds.
  void add_after(const ObjectKey& key, std::chrono::nanoseconds delay);
  // The same with a delay that grows with each call until forget().
  void add_rate_limited(const ObjectKey& key);
  void forget(const ObjectKey& key);
  unsigned failures(const ObjectKey& key) const;

  // Waits for a key; nothing once the queue is shut down and empty. Whoever gets
  // a key calls done().
  std::optional<ObjectKey> get();
  // Without waiting.
  std::optional<ObjectKey> try_get();
  void done(const ObjectKey& key);

  // Takes no further key, drops delayed ones; get() ends once those waiting are out.
  void shut_down();

  // Keys ready to be worked on (for metrics).
  std::size_t size() const;
  std::chrono::milliseconds max_delay() const { return options_.max_delay; }

 private:
  void add_locked(const ObjectKey& key);
  void promote_due();
  std::optional<ObjectKey> take_locked();

  const Options options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable condition_;
  std::deque<ObjectKey> ready_;
  std::set<ObjectKey> waiting_;  // = ready_ and those to come again after done()
  std::set<ObjectKey> in_work_;
  std::map<ObjectKey, TimePoint> delayed_;
  std::set<std::pair<TimePoint, ObjectKey>> by_time_;
  std::map<ObjectKey, unsigned> failures_;
  Backoff backoff_;
  bool shut_down_ = false;
};

}  // namespace vk8s::kube
