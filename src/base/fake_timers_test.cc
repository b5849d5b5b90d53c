#include "base/fake_timers.h"

#include <gmock/gmock.h>

#include <vector>

namespace vk8s::base {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FakeTimers, NothingHappensUntilTimeMoves) {
  FakeTimers timers;
  std::vector<int> fired;
  const auto timer = timers.after(0s, [&] { fired.push_back(1); });
  EXPECT_THAT(fired, IsEmpty());
  timers.advance(0s);
  EXPECT_THAT(fired, ElementsAre(1));
}

TEST(FakeTimers, FiresInOrderOfTimeThenOfAsking) {
  FakeTimers timers;
  std::vector<int> fired;
  const auto a = timers.after(2s, [&] { fired.push_back(3); });
  const auto b = timers.after(1s, [&] { fired.push_back(1); });
  const auto c = timers.after(1s, [&] { fired.push_back(2); });
  timers.advance(1s);
  EXPECT_THAT(fired, ElementsAre(1, 2));
  timers.advance(1s);
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST(FakeTimers, CallbackSeesItsOwnTimeAndMayAskAgain) {
  FakeTimers timers;
  const auto begin = timers.now();
  std::vector<std::chrono::nanoseconds> at;
  Registration timer;
  std::function<void()> tick = [&] {
    at.push_back(timers.now() - begin);
    timer = timers.after(1s, tick);
  };
  timer = timers.after(1s, tick);
  timers.advance(3500ms);
  EXPECT_THAT(at, ElementsAre(1s, 2s, 3s));
  EXPECT_EQ(timers.now() - begin, 3500ms);
}

TEST(FakeTimers, CancelledTimerDoesNotFire) {
  FakeTimers timers;
  int fired = 0;
  Registration second;
  const auto first = timers.after(1s, [&] { second.cancel(); });
  second = timers.after(1s, [&] { ++fired; });
  timers.advance(2s);
  EXPECT_EQ(fired, 0);
}

TEST(FakeTimers, TimeNeverGoesBack) {
  FakeTimers timers;
  timers.advance(10s);
  const auto before = timers.now();
  auto past = before;
  const auto timer = timers.after(-5s, [&] { past = timers.now(); });
  timers.advance(0s);
  EXPECT_EQ(past, before);
  EXPECT_EQ(timers.now(), before);
}

}  // namespace
}  // namespace vk8s::base
