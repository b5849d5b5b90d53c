#include "base/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace vk8s::base {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(write_end.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  char read_one() const {
    char c = 0;
    EXPECT_EQ(::read(read_end.get(), &c, 1), 1);
    return c;
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

// Runs the loop; a test that does not stop it in time fails.
class EventLoopTest : public ::testing::Test {
 protected:
  void run() {
    const auto deadline = loop_.after(10s, [this] {
      ADD_FAILURE() << "not stopped within 10 s";
      loop_.stop();
    });
    loop_.run();
  }
  // Runs what is posted now, and what that posts.
  void drain() {
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
    run();
  }

  EventLoop loop_;
};

TEST_F(EventLoopTest, RunsPostedWorkInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    loop_.post([&order, i] { order.push_back(i); });
  }
  loop_.post([&] { loop_.stop(); });
  run();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_F(EventLoopTest, TakesWorkFromOtherThreads) {
  int count = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        loop_.post([&] {
          if (++count == 400) {
            loop_.stop();
          }
        });
      }
    });
  }
  run();
  EXPECT_EQ(count, 400);
}

TEST_F(EventLoopTest, StopBeforeRunIsNotLost) {
  loop_.stop();
  run();
}

TEST_F(EventLoopTest, RunsAgainWithWhatStopLeft) {
  bool second = false;
  loop_.post([&] { loop_.stop(); });
  loop_.post([&] {
    second = true;
    loop_.stop();
  });
  run();
  EXPECT_FALSE(second);
  run();
  EXPECT_TRUE(second);
}

TEST_F(EventLoopTest, TimersFireInOrderOfTheirTimes) {
  std::vector<int> order;
  const auto begin = loop_.now();
  const auto late = loop_.after(20ms, [&] {
    order.push_back(2);
    loop_.stop();
  });
  const auto early = loop_.after(5ms, [&] { order.push_back(1); });
  run();
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_GE(loop_.now() - begin, 20ms);
}

TEST_F(EventLoopTest, CancelledTimerDoesNotFireEvenWhenDue) {
  bool fired = false;
  Registration victim;
  const auto killer = loop_.after(0ms, [&] { victim.cancel(); });
  victim = loop_.after(0ms, [&] { fired = true; });
  const auto end = loop_.after(5ms, [&] { loop_.stop(); });
  run();
  EXPECT_FALSE(fired);
  EXPECT_FALSE(victim);
}

TEST_F(EventLoopTest, TimerMayReplaceItselfWhileItRuns) {
  int count = 0;
  Registration timer;
  std::function<void()> tick = [&] {
    if (++count == 3) {
      loop_.stop();
      return;
    }
    timer = loop_.after(1ms, tick);
  };
  timer = loop_.after(1ms, tick);
  run();
  EXPECT_EQ(count, 3);
}

TEST_F(EventLoopTest, WatchIsLevelTriggered) {
  const Pipe pipe;
  pipe.write("abc");
  std::string got;
  const auto watch = loop_.watch(pipe.read_end.get(), EventLoop::Interest::kReadable, [&] {
    got += pipe.read_one();
    if (got.size() == 3) {
      loop_.stop();
    }
  });
  ASSERT_TRUE(watch);
  run();
  EXPECT_EQ(got, "abc");
}

TEST_F(EventLoopTest, WatchSeesWhatComesLater) {
  const Pipe pipe;
  std::string got;
  const auto watch = loop_.watch(pipe.read_end.get(), EventLoop::Interest::kReadable, [&] {
    got += pipe.read_one();
    got.size() == 2 ? loop_.stop() : pipe.write("2");
  });
  const auto later = loop_.after(5ms, [&] { pipe.write("1"); });
  run();
  EXPECT_EQ(got, "12");
}

TEST_F(EventLoopTest, WatchSeesHangup) {
  Pipe pipe;
  bool end_of_file = false;
  const auto watch = loop_.watch(pipe.read_end.get(), EventLoop::Interest::kReadable, [&] {
    char c = 0;
    end_of_file = ::read(pipe.read_end.get(), &c, 1) == 0;
    loop_.stop();
  });
  const auto later = loop_.after(5ms, [&] { pipe.write_end.reset(); });
  run();
  EXPECT_TRUE(end_of_file);
}

TEST_F(EventLoopTest, WatchesForWritableOnceThereIsRoom) {
  const Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.write_end.get(), F_SETFL, O_NONBLOCK), 0);
  const std::array<char, 4096> block{};
  while (::write(pipe.write_end.get(), block.data(), block.size()) > 0) {
  }
  bool drained = false;
  const auto watch = loop_.watch(pipe.write_end.get(), EventLoop::Interest::kWritable, [&] {
    EXPECT_TRUE(drained);
    loop_.stop();
  });
  const auto later = loop_.after(5ms, [&] {
    drained = true;
    std::array<char, 8192> sink{};
    EXPECT_GT(::read(pipe.read_end.get(), sink.data(), sink.size()), 0);
  });
  run();
  EXPECT_TRUE(drained);
}

TEST_F(EventLoopTest, EndedWatchIsNotCalledThoughReadable) {
  const Pipe pipe;
  pipe.write("abc");
  int calls = 0;
  Registration watch;
  watch = loop_.watch(pipe.read_end.get(), EventLoop::Interest::kReadable, [&] {
    ++calls;
    watch.cancel();
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  });
  run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, SeveralWatchesOnOneDescriptorAllSeeIt) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd left(ends[0]);
  const UniqueFd right(ends[1]);
  int readable = 0;
  int writable = 0;
  const auto stop_when_all = [&] {
    if (readable > 0 && writable > 0) {
      loop_.stop();
    }
  };
  const auto reads = loop_.watch(left.get(), EventLoop::Interest::kReadable, [&] {
    ++readable;
    stop_when_all();
  });
  const auto writes = loop_.watch(left.get(), EventLoop::Interest::kWritable, [&] {
    ++writable;
    stop_when_all();
  });
  ASSERT_EQ(::send(right.get(), "x", 1, MSG_NOSIGNAL), 1);
  run();
  EXPECT_GT(readable, 0);
  EXPECT_GT(writable, 0);
}

TEST_F(EventLoopTest, DescriptorMayBeClosedBeforeTheWatchEnds) {
  Pipe pipe;
  auto watch = loop_.watch(pipe.read_end.get(), EventLoop::Interest::kReadable, [] {});
  pipe.read_end.reset();
  drain();
  watch.cancel();
  drain();
}

TEST_F(EventLoopTest, WatchOfAClosedDescriptorIsEmpty) {
  const auto watch = loop_.watch(-1, EventLoop::Interest::kReadable, [] {});
  EXPECT_FALSE(watch);
}

TEST_F(EventLoopTest, WorkLeftAtTheEndIsDestroyedNotRun) {
  auto token = std::make_shared<int>(0);
  bool ran = false;
  {
    EventLoop loop;
    loop.post([token, &ran] { ran = true; });
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace vk8s::base
