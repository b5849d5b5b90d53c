#include "agent/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "agent/fake_process_runner.h"
#include "base/fake_timers.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest()
      : folder_(std::move(*sys::TempDir::create())),
        supervisor_(timers_, runner_, Log::silent(), {.log_folder = folder_.path()}) {
    supervisor_.on_change([this](const ComponentStatus& status) {
      changes_.push_back(status.name + " " + std::string(api::to_string(status.state)));
    });
  }

  // A component whose probe answers what ready_[name] says at the time.
  void add(const std::string& name, std::vector<std::string> after = {}, bool is_task = false) {
    ComponentSpec spec{.name = name,
                       .after = std::move(after),
                       .command = [name]() -> Result<sys::SpawnOptions> {
                         sys::SpawnOptions options;
                         options.argv = {name};
                         return options;
                       },
                       .probe =
                           [this, name](const std::function<void(bool)>& answer) {
                             answer(ready_[name]);
                             return std::shared_ptr<void>();
                           },
                       .is_task = is_task};
    ASSERT_TRUE(supervisor_.add(std::move(spec)).has_value());
  }

  ComponentStatus status(const std::string& name) const {
    for (const ComponentStatus& status : supervisor_.status()) {
      if (status.name == name) {
        return status;
      }
    }
    return {};
  }

  sys::TempDir folder_;
  base::FakeTimers timers_;
  FakeProcessRunner runner_;
  std::map<std::string, bool> ready_;
  std::vector<std::string> changes_;
  Supervisor supervisor_;
};

TEST_F(SupervisorTest, StartsIndependentComponentsAtOnce) {
  add("etcd");
  add("containerd");
  supervisor_.start();
  EXPECT_THAT(runner_.started, ElementsAre("etcd", "containerd"));
}

TEST_F(SupervisorTest, WaitsForWhatIsOutsideAndStartsNothingForIt) {
  ASSERT_TRUE(supervisor_.add({.name = "api-server",
                               .probe =
                                   [this](const std::function<void(bool)>& answer) {
                                     answer(ready_["api-server"]);
                                     return std::shared_ptr<void>();
                                   },
                               .probe_interval = milliseconds(100)}));
  add("kubelet", {"api-server"});
  supervisor_.start();
  EXPECT_THAT(runner_.started, IsEmpty());
  EXPECT_EQ(status("api-server").state, ComponentState::kStarting);
  ready_["api-server"] = true;
  timers_.advance(milliseconds(99));
  EXPECT_THAT(runner_.started, IsEmpty());
  timers_.advance(milliseconds(1));
  EXPECT_THAT(runner_.started, ElementsAre("kubelet"));

  bool stopped = false;
  supervisor_.stop([&] { stopped = true; });
  runner_.end("kubelet", {});
  EXPECT_TRUE(stopped);
}

TEST_F(SupervisorTest, StartsAComponentAsSoonAsWhatItNeedsIsReady) {
  add("apiserver");
  add("kubelet", {"apiserver"});
  supervisor_.start();
  timers_.advance(milliseconds(500));
  EXPECT_THAT(runner_.started, ElementsAre("apiserver"));
  ready_["apiserver"] = true;
  timers_.advance(milliseconds(20));
  EXPECT_THAT(runner_.started, ElementsAre("apiserver", "kubelet"));
  EXPECT_TRUE(supervisor_.is_ready("apiserver"));
  EXPECT_FALSE(supervisor_.all_ready());
}

TEST_F(SupervisorTest, RefusesToNeedWhatIsNotThere) {
  const Status added = supervisor_.add({.name = "kubelet", .after = {"apiserver"}});
  ASSERT_FALSE(added.has_value());
  EXPECT_THAT(added.error().message(), testing::HasSubstr("kubelet needs apiserver"));
}

TEST_F(SupervisorTest, RestartsAnEndedComponentWithGrowingCappedPauses) {
  add("etcd");
  supervisor_.start();
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    runner_.end("etcd", {.code = 1});
    EXPECT_EQ(status("etcd").state, ComponentState::kBackoff);
    std::int64_t waited = 0;
    while (!runner_.is_running("etcd")) {
      timers_.advance(milliseconds(100));
      waited += 100;
    }
    pauses.push_back(waited);
  }
  EXPECT_THAT(pauses, ElementsAre(200, 400, 800, 1600, 3200, 6400, 10000, 10000));
  EXPECT_EQ(status("etcd").restarts, 8);
}

TEST_F(SupervisorTest, ForgetsFailuresAfterALongRun) {
  add("etcd");
  supervisor_.start();
  for (int i = 0; i < 5; ++i) {
    runner_.end("etcd", {.code = 1});
    timers_.advance(milliseconds(10'000));
  }
  timers_.advance(milliseconds(30'000));
  runner_.end("etcd", {.code = 1});
  timers_.advance(milliseconds(200));
  EXPECT_TRUE(runner_.is_running("etcd"));
}

TEST_F(SupervisorTest, KeepsDependentsRunningWhenWhatTheyNeedCrashes) {
  add("apiserver");
  add("kubelet", {"apiserver"});
  ready_["apiserver"] = ready_["kubelet"] = true;
  supervisor_.start();
  runner_.end("apiserver", {.code = 0, .signal = SIGKILL});
  EXPECT_TRUE(runner_.is_running("kubelet"));
  EXPECT_THAT(runner_.signals, IsEmpty());
  timers_.advance(milliseconds(200));
  EXPECT_TRUE(supervisor_.all_ready());
  EXPECT_EQ(status("apiserver").last_exit, "signal 9 (SIGKILL)");
}

TEST_F(SupervisorTest, ReportsTheLastLinesOfACrash) {
  add("etcd");
  supervisor_.start();
  runner_.print("etcd", "starting\npanic: dis");
  runner_.print("etcd", "k full\x1b[0m\n");
  runner_.end("etcd", {.code = 2});
  EXPECT_THAT(status("etcd").last_lines, ElementsAre("starting", "panic: disk full?[0m"));
  EXPECT_EQ(*sys::read_file(folder_.path() + "/etcd.log"), "starting\npanic: disk full\x1b[0m\n");
}

TEST_F(SupervisorTest, AProgramThatCannotBeExecutedIsTriedAgain) {
  add("etcd");
  runner_.failing["etcd"] = true;
  supervisor_.start();
  EXPECT_THAT(status("etcd").last_exit, testing::HasSubstr("no such file"));
  runner_.failing.clear();
  timers_.advance(milliseconds(200));
  EXPECT_TRUE(runner_.is_running("etcd"));
}

TEST_F(SupervisorTest, ATaskThatSucceedsIsReadyAndNotRunAgain) {
  add("import", {}, true);
  add("pods", {"import"});
  supervisor_.start();
  EXPECT_THAT(runner_.started, ElementsAre("import"));
  runner_.end("import", {.code = 0});
  EXPECT_THAT(runner_.started, ElementsAre("import", "pods"));
  timers_.advance(milliseconds(60'000));
  EXPECT_TRUE(supervisor_.is_ready("import"));
  EXPECT_FALSE(runner_.is_running("import"));
}

TEST_F(SupervisorTest, StopsInTheOppositeOrder) {
  add("etcd");
  add("apiserver", {"etcd"});
  add("kubelet", {"apiserver"});
  ready_["etcd"] = ready_["apiserver"] = ready_["kubelet"] = true;
  supervisor_.start();
  bool stopped = false;
  supervisor_.stop([&] { stopped = true; });
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("kubelet", SIGTERM)));
  runner_.end("kubelet", {});
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("kubelet", SIGTERM), Pair("apiserver", SIGTERM)));
  runner_.end("apiserver", {});
  EXPECT_FALSE(stopped);
  runner_.end("etcd", {});
  EXPECT_TRUE(stopped);
}

TEST_F(SupervisorTest, StopsNothingMoreUntilWhatAComponentLeavesBehindHasEnded) {
  add("containerd");
  std::function<void()> pods_ended;
  ASSERT_TRUE(supervisor_.add({.name = "kubelet",
                               .after = {"containerd"},
                               .command = []() -> Result<sys::SpawnOptions> {
                                 return sys::SpawnOptions{.argv = {"kubelet"}};
                               },
                               .after_stop = [&](auto done) { pods_ended = done; }}));
  ready_["containerd"] = true;
  supervisor_.start();
  supervisor_.stop([] {});
  runner_.end("kubelet", {});
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("kubelet", SIGTERM)));
  pods_ended();
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("kubelet", SIGTERM), Pair("containerd", SIGTERM)));
}

TEST_F(SupervisorTest, KillsWhatDoesNotStopInTime) {
  add("etcd");
  supervisor_.start();
  supervisor_.stop([] {});
  timers_.advance(milliseconds(9'999));
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("etcd", SIGTERM)));
  timers_.advance(milliseconds(1));
  EXPECT_THAT(runner_.signals, ElementsAre(Pair("etcd", SIGTERM), Pair("etcd", SIGKILL)));
}

TEST_F(SupervisorTest, StopDuringBackOffStartsNothingAgain) {
  add("etcd");
  supervisor_.start();
  runner_.end("etcd", {.code = 1});
  bool stopped = false;
  supervisor_.stop([&] { stopped = true; });
  EXPECT_TRUE(stopped);
  timers_.advance(milliseconds(60'000));
  EXPECT_FALSE(runner_.is_running("etcd"));
}

TEST_F(SupervisorTest, TellsEachChangeOfStateOnce) {
  add("etcd");
  ready_["etcd"] = true;
  supervisor_.start();
  runner_.end("etcd", {.code = 1});
  timers_.advance(milliseconds(200));
  EXPECT_THAT(changes_, ElementsAre("etcd starting", "etcd running", "etcd backoff", "etcd waiting",
                                    "etcd starting", "etcd running"));
}

}  // namespace
}  // namespace vk8s::agent
