#include "kube/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "kube/reconcile_workers.h"

namespace vk8s::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ObjectKey kA{"ns", "a"};
const ObjectKey kB{"ns", "b"};

class WorkQueueTest : public ::testing::Test {
 protected:
  WorkQueue::TimePoint now_{};
  WorkQueue queue_{
      {.first_delay = milliseconds(100), .max_delay = seconds(5), .now = [this] { return now_; }}};
};

TEST_F(WorkQueueTest, HoldsAKeyOnceHoweverOftenItIsAdded) {
  queue_.add(kA);
  queue_.add(kA);
  queue_.add(kB);
  EXPECT_EQ(queue_.try_get(), kA);
  EXPECT_EQ(queue_.try_get(), kB);
  EXPECT_EQ(queue_.try_get(), std::nullopt);
}

TEST_F(WorkQueueTest, GivesAKeyToOneWorkerAtATime) {
  queue_.add(kA);
  ASSERT_EQ(queue_.try_get(), kA);
  queue_.add(kA);
  EXPECT_EQ(queue_.try_get(), std::nullopt);
  queue_.done(kA);
  EXPECT_EQ(queue_.try_get(), kA);
  queue_.done(kA);
  EXPECT_EQ(queue_.try_get(), std::nullopt);
}

TEST_F(WorkQueueTest, DelaysUntilTheEarliestOfSeveralTimes) {
  queue_.add_after(kA, seconds(10));
  queue_.add_after(kA, seconds(2));
  queue_.add_after(kA, seconds(20));
  now_ += seconds(1);
  EXPECT_EQ(queue_.try_get(), std::nullopt);
  now_ += seconds(1);
  EXPECT_EQ(queue_.try_get(), kA);
  queue_.done(kA);
  now_ += seconds(60);
  EXPECT_EQ(queue_.try_get(), std::nullopt);
}

TEST_F(WorkQueueTest, BacksOffFurtherWithEachFailureUntilForgotten) {
  const auto delay_of_next = [this] {
    queue_.add_rate_limited(kA);
    const auto start = now_;
    while (queue_.try_get() != kA) {
      now_ += milliseconds(1);
    }
    queue_.done(kA);
    return now_ - start;
  };
  const auto first = delay_of_next();
  EXPECT_GE(first, milliseconds(100));
  EXPECT_LE(first, milliseconds(121));
  EXPECT_GE(delay_of_next(), milliseconds(200));
  EXPECT_GE(delay_of_next(), milliseconds(400));
  for (int i = 0; i < 40; ++i) {
    EXPECT_LE(delay_of_next(), seconds(6) + milliseconds(1));
  }
  EXPECT_EQ(queue_.failures(kA), 43U);
  queue_.forget(kA);
  EXPECT_LE(delay_of_next(), milliseconds(121));
}

TEST_F(WorkQueueTest, ShutDownDrainsWhatWaitsAndRefusesMore) {
  queue_.add(kA);
  queue_.add_after(kB, seconds(1));
  queue_.shut_down();
  queue_.add(kB);
  EXPECT_EQ(queue_.get(), kA);
  now_ += seconds(10);
  EXPECT_EQ(queue_.get(), std::nullopt);
}

TEST(WorkQueue, WakesAWaitingWorkerForADelayedKey) {
  WorkQueue queue;
  queue.add_after(kB, seconds(3600));
  std::optional<ObjectKey> got;
  std::thread worker([&] { got = queue.get(); });
  queue.add_after(kA, milliseconds(10));
  worker.join();
  EXPECT_EQ(got, kA);
}

TEST(ReconcileWorkers, NeverWorkOnOneKeyAtOnceAndMissNoChange) {
  WorkQueue queue({.first_delay = milliseconds(1), .max_delay = milliseconds(4)});
  constexpr int kKeys = 8;
  std::array<std::atomic<int>, kKeys> wanted{};
  std::array<std::atomic<int>, kKeys> seen{};
  std::array<std::atomic<bool>, kKeys> busy{};
  std::atomic<int> failures = 0;
  const auto reconcile = [&](const ObjectKey& key) -> Result<ReconcileResult> {
    const auto at = static_cast<std::size_t>(std::stoi(key.name));
    EXPECT_FALSE(busy[at].exchange(true));
    seen[at] = wanted[at].load();
    busy[at] = false;
    if (++failures % 7 == 0) {
      return fail(Errc::kConflict, "somebody else wrote first");
    }
    return ReconcileResult{};
  };
  {
    ReconcileWorkers workers(queue, 4, "test", reconcile, Log::silent());
    for (int change = 1; change <= 2000; ++change) {
      const auto at = static_cast<std::size_t>(change % kKeys);
      wanted[at] = change;
      queue.add({"", std::to_string(at)});
    }
  }
  for (std::size_t i = 0; i < kKeys; ++i) {
    EXPECT_EQ(seen[i], wanted[i]);
  }
}

TEST(ReconcileWorkers, ComesBackAfterTheTimeTheResultAsksFor) {
  WorkQueue::TimePoint now{};
  WorkQueue queue({.max_delay = seconds(60), .now = [&now] { return now; }});
  const auto run = [&](const Reconcile& reconcile) {
    queue.add(kA);
    reconcile_one(queue, queue.try_get().value(), reconcile, Log::silent());
  };
  run([](const ObjectKey&) { return ReconcileResult{.requeue_after = seconds(5)}; });
  EXPECT_EQ(queue.try_get(), std::nullopt);
  now += seconds(5);
  EXPECT_EQ(queue.try_get(), kA);
  queue.done(kA);
  run([](const ObjectKey&) -> Result<ReconcileResult> { return fail(Errc::kForbidden, "quota"); });
  now += seconds(59);
  EXPECT_EQ(queue.try_get(), std::nullopt);
  now += seconds(1);
  EXPECT_EQ(queue.try_get(), kA);
}

}  // namespace
}  // namespace vk8s::kube
