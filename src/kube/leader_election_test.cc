#include "kube/leader_election.h"

#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ObjectKey kLease{"ns", "controller"};

class LeaderElectionTest : public ::testing::Test {
 protected:
  LeaderElector& start(const std::string& name) {
    auto& elector = replicas_[name];
    elector = std::make_unique<LeaderElector>(
        timers_, client_, LeaderElectionOptions{.lease = kLease, .identity = name},
        LeaderCallbacks{.on_started = [this, name] { story_.push_back(name + " leads"); },
                        .on_stopped = [this, name] { story_.push_back(name + " stopped"); },
                        .on_new_leader = {}},
        Log::silent());
    elector->start();
    return *elector;
  }
  // Time goes on in small steps; never may two lead.
  void run(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(100)) {
      timers_.advance(milliseconds(100));
      int leaders = 0;
      for (const auto& [name, elector] : replicas_) {
        leaders += elector->is_leader() ? 1 : 0;
      }
      ASSERT_LE(leaders, 1);
    }
  }
  std::string holder() {
    const Json* lease = client_.peek(resources::kLease, kLease);
    return lease == nullptr
               ? "(none)"
               : std::string(base::get_string(*lease, "spec.holderIdentity").value_or(""));
  }

  base::FakeTimers timers_;
  FakeClient client_{timers_};
  std::map<std::string, std::unique_ptr<LeaderElector>> replicas_;
  std::vector<std::string> story_;
};

TEST_F(LeaderElectionTest, OneOfSeveralLeads) {
  start("a");
  start("b");
  start("c");
  run(seconds(60));
  EXPECT_EQ(story_.size(), 1U);
  EXPECT_EQ(holder() + " leads", story_.front());
}

TEST_F(LeaderElectionTest, AnotherTakesOverOnlyAfterTheLeaseHasRunOut) {
  start("a");
  run(seconds(3));
  start("b");
  run(seconds(5));
  replicas_["a"].reset();
  replicas_.erase("a");
  run(seconds(11));
  EXPECT_EQ(story_, (std::vector<std::string>{"a leads"}));
  run(seconds(10));
  EXPECT_EQ(story_.back(), "b leads");
}

TEST_F(LeaderElectionTest, AReleasedLeaseIsTakenAtOnce) {
  LeaderElector& first = start("a");
  run(seconds(3));
  start("b");
  run(seconds(1));
  bool done = false;
  first.stop([&done] { done = true; });
  run(seconds(4));
  EXPECT_TRUE(done);
  EXPECT_EQ(story_, (std::vector<std::string>{"a leads", "b leads"}));
}

TEST_F(LeaderElectionTest, StepsDownBeforeAnotherMayBegin) {
  start("a");
  run(seconds(3));
  ASSERT_TRUE(replicas_["a"]->is_leader());
  client_.fail_next("update", resources::kLease, Error(Errc::kUnavailable, "away"), 1000);
  run(seconds(11));
  EXPECT_EQ(story_, (std::vector<std::string>{"a leads", "a stopped"}));
}

TEST_F(LeaderElectionTest, SurvivesAFewFailedRenewals) {
  start("a");
  run(seconds(3));
  client_.fail_next("update", resources::kLease, Error(Errc::kUnavailable, "away"), 3);
  run(seconds(60));
  EXPECT_TRUE(replicas_["a"]->is_leader());
  EXPECT_EQ(story_.size(), 1U);
}

TEST_F(LeaderElectionTest, StepsDownWhenSomebodyElseHasTakenTheLease) {
  start("a");
  run(seconds(3));
  Json stolen = *client_.peek(resources::kLease, kLease);
  stolen.as_object()["spec"].as_object()["holderIdentity"] = "thief";
  client_.put(resources::kLease, stolen);
  run(seconds(5));
  EXPECT_EQ(story_.back(), "a stopped");
  EXPECT_EQ(holder(), "thief");
}

TEST_F(LeaderElectionTest, IsSilentAfterStop) {
  LeaderElector& first = start("a");
  first.stop([] {});
  run(seconds(60));
  EXPECT_TRUE(story_.empty());
}

}  // namespace
}  // namespace vk8s::kube
