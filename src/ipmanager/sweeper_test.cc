#include "ipmanager/sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "ipmanager/test_objects.h"
#include "kube/fake_client.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::ip;
using testing::node_of;
using testing::owner;
using testing::pool_object;
namespace resources = kube::resources;

class SweeperTest : public ::testing::Test {
 protected:
  SweeperTest() {
    server_.put(resources::kVNodeIPPool, pool_object("a", {"10.1.0.0/24"}));
    allocator_.start();
    sweeper_->start();
    run();
  }
  void run(std::chrono::nanoseconds time = {}) { timers_.advance(time); }
  void create(std::string_view address, std::optional<api::IpOwner> owner, bool releasing = false) {
    Json object = testing::allocation_object(address, std::move(owner));
    if (releasing) {
      object.at("spec").as_object()["releasing"] = true;
    }
    const kube::Call call =
        server_.create(resources::kIPAllocation, "", object, [](const auto&) {});
    run();
  }
  // With no label: who makes a pod need not set one.
  void put_pod(const std::string& name, std::string_view address) {
    JsonObject annotations;
    annotations[api::kIpAnnotation] = address;
    server_.put(resources::kPod,
                JsonObject{{"metadata", JsonObject{{"name", name},
                                                   {"namespace", "team-a"},
                                                   {"annotations", annotations}}}});
  }
  // As its kubelet has reported it; without the annotation.
  void put_reported_pod(const std::string& name, const std::vector<std::string>& addresses,
                        std::string_view phase, bool is_in_host_network = false) {
    JsonArray reported;
    for (const std::string& address : addresses) {
      reported.push_back(JsonObject{{"ip", address}});
    }
    server_.put(
        resources::kPod,
        JsonObject{{"metadata", JsonObject{{"name", name}, {"namespace", "team-a"}}},
                   {"spec", JsonObject{{"hostNetwork", is_in_host_network}}},
                   {"status", JsonObject{{"phase", phase}, {"podIPs", std::move(reported)}}}});
  }
  void remove_pod(const std::string& name) {
    const kube::Call call =
        server_.remove(resources::kPod, {"team-a", name}, {}, [](const auto&) {});
    run();
  }
  void put_cluster(const std::string& name, const std::string& uid) {
    server_.put(resources::kVk8s,
                JsonObject{{"metadata",
                            JsonObject{{"name", name}, {"namespace", "team-a"}, {"uid", uid}}}});
  }
  // "free", "taken" or "releasing".
  std::string state_of(std::string_view address) const {
    const Json* object = server_.peek(resources::kIPAllocation, {"", std::string(address)});
    if (object == nullptr) {
      return "free";
    }
    return base::get_bool(*object, "spec.releasing").value_or(false) ? "releasing" : "taken";
  }
  int count(const std::string& verb, const kube::Resource& resource) const {
    int number = 0;
    for (const kube::FakeRequest& request : server_.requests()) {
      number += request.verb == verb && request.resource == resource ? 1 : 0;
    }
    return number;
  }
  const Json& pool() const { return *server_.peek(resources::kVNodeIPPool, {"", "a"}); }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  Allocator allocator_{timers_, server_, Log::silent()};
  std::optional<Sweeper> sweeper_{std::in_place, timers_, server_, allocator_, Log::silent()};
};

TEST_F(SweeperTest, DeletesWhatWasReleasedOnceNoPodHasIt) {
  create("10.1.0.7", owner("p"), true);
  create("10.1.0.8", owner("q"), true);
  create("10.1.0.9", owner("r"));
  create("10.1.0.10", std::nullopt, true);
  put_pod("p", "10.1.0.7");
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.7"), "releasing");
  EXPECT_EQ(state_of("10.1.0.8"), "free");
  EXPECT_EQ(state_of("10.1.0.9"), "taken");
  EXPECT_EQ(state_of("10.1.0.10"), "free");
  remove_pod("p");
  run(seconds(11));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
}

TEST_F(SweeperTest, FreesNoAddressThatAPodHasByItsStatusAlone) {
  const std::vector<std::string> addresses = {"10.1.0.7", "fd00::7", "10.1.0.8", "10.1.0.9",
                                              "10.1.0.10"};
  for (const std::string& address : addresses) {
    create(address, std::nullopt, true);
  }
  put_reported_pod("p", {"10.1.0.7", "fd00::7"}, "Running");
  put_reported_pod("starts", {"10.1.0.8"}, "Pending");
  put_reported_pod("has-ended", {"10.1.0.9"}, "Succeeded");
  put_reported_pod("of-the-node", {"10.1.0.10"}, "Running", true);
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.7"), "releasing");
  EXPECT_EQ(state_of("fd00-0000-0000-0000-0000-0000-0000-0007"), "releasing");
  EXPECT_EQ(state_of("10.1.0.8"), "releasing");
  EXPECT_EQ(state_of("10.1.0.9"), "free");
  EXPECT_EQ(state_of("10.1.0.10"), "free");
  remove_pod("p");
  remove_pod("starts");
  run(seconds(11));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
  EXPECT_EQ(state_of("10.1.0.8"), "free");
}

TEST_F(SweeperTest, ReleasesNothingOfAClusterThatIsGoneWhileAPodReportsIt) {
  create("10.1.0.7", node_of("demo", "uid-1"));
  put_reported_pod("demo-master-1-0", {"10.1.0.7"}, "Running");
  run(seconds(30));
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
  remove_pod("demo-master-1-0");
  run(seconds(12));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
}

TEST_F(SweeperTest, AsksForThePodsOnlyWhereSomethingIsToBeSwept) {
  create("10.1.0.9", owner("r"));
  server_.clear_requests();
  run(seconds(60));
  EXPECT_EQ(count("list", resources::kPod), 0);
  EXPECT_EQ(count("get", resources::kVk8s), 0);
}

TEST_F(SweeperTest, DeletesNothingThatSomebodyHasTakenBackMeanwhile) {
  server_.set_hook([this](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb == "list" && request.resource == resources::kPod) {
      Json object = *server_.peek(resources::kIPAllocation, {"", "10.1.0.7"});
      object.at("spec").as_object()["releasing"] = false;
      server_.put(resources::kIPAllocation, object);
    }
    return std::nullopt;
  });
  create("10.1.0.7", owner("p"), true);
  run(seconds(2));
  EXPECT_EQ(count("delete", resources::kIPAllocation), 1);
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
}

TEST_F(SweeperTest, DeletesNothingWhileThePodsCannotBeListed) {
  server_.fail_next("list", resources::kPod, {Errc::kUnavailable, "away"}, 3);
  create("10.1.0.7", owner("p"), true);
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.7"), "releasing");
  run(seconds(31));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
}

TEST_F(SweeperTest, ReleasesTheAddressesOfAClusterThatIsGoneOnceItsPodsAre) {
  put_cluster("demo", "uid-1");
  create("10.1.0.7", node_of("demo", "uid-1"));
  run(seconds(60));
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
  put_pod("demo-master-1-0", "10.1.0.7");
  const kube::Call call =
      server_.remove(resources::kVk8s, {"team-a", "demo"}, {}, [](const auto&) {});
  run(seconds(60));
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
  remove_pod("demo-master-1-0");
  run(seconds(12));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
}

TEST_F(SweeperTest, LooksAtOnceAtWhatItIsToldHasGone) {
  sweeper_.emplace(timers_, server_, allocator_, Log::silent(),
                   SweeperOptions{.period = std::chrono::minutes(10), .clusters_a_round = 1});
  sweeper_->start();
  put_cluster("demo-1", "uid-1");
  create("10.1.0.7", node_of("demo-1", "uid-1"));
  create("10.1.0.9", node_of("demo-2", "uid-2"));
  create("10.1.0.10", node_of("demo-3", "uid-3"));
  create("10.1.0.11", owner("p"));
  put_pod("demo-2-master-1-0", "10.1.0.9");
  run(seconds(30));
  ASSERT_EQ(state_of("10.1.0.9"), "taken");
  sweeper_->look_at({ip("10.1.0.7"), ip("10.1.0.9"), ip("10.1.0.11"), ip("10.1.0.200")});
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.9"), "taken") << "its pod is there";
  remove_pod("demo-2-master-1-0");
  sweeper_->look_at({ip("10.1.0.9")});
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.9"), "free");
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
  EXPECT_EQ(state_of("10.1.0.11"), "taken");
}

TEST_F(SweeperTest, TakesAVk8sOfAnotherUidForAnotherOne) {
  put_cluster("demo", "uid-2");
  create("10.1.0.7", node_of("demo", "uid-1"));
  create("10.1.0.8", node_of("demo", "uid-2"));
  run(seconds(30));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
  EXPECT_EQ(state_of("10.1.0.8"), "taken");
}

TEST_F(SweeperTest, FreesWhatAnEarlierClusterHadThoughALaterOneHasAPodOfThatName) {
  put_cluster("demo", "uid-2");
  create("10.1.0.7", node_of("demo", "uid-1"));
  create("10.1.0.8", node_of("demo", "uid-2"));
  put_pod("demo-master-1-0", "10.1.0.8");
  run(seconds(30));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
  EXPECT_EQ(state_of("10.1.0.8"), "taken");
}

TEST_F(SweeperTest, TakesNoWordForGoneButThatOfTheObject) {
  server_.set_hook([](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.resource == resources::kVk8s) {
      return Error(Errc::kNotFound, "the server could not find the requested resource (404)");
    }
    return std::nullopt;
  });
  create("10.1.0.7", node_of("demo", "uid-1"));
  run(seconds(60));
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
}

TEST_F(SweeperTest, ComesToEveryClusterInSomeRounds) {
  sweeper_.emplace(timers_, server_, allocator_, Log::silent(),
                   SweeperOptions{.clusters_a_round = 2});
  sweeper_->start();
  for (int i = 0; i < 7; ++i) {
    create("10.1.0." + std::to_string(10 + i),
           node_of("demo-" + std::to_string(i), "uid-" + std::to_string(i)));
  }
  run(seconds(60));
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(state_of("10.1.0." + std::to_string(10 + i)), "free") << i;
  }
}

TEST_F(SweeperTest, ReleasesAllButTheFirstOfOnePodAfterAWhile) {
  create("10.1.0.9", owner("p"));
  create("10.1.0.7", owner("p"));
  create("10.1.0.8", owner("p"));
  run(seconds(9));
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
  run(seconds(25));
  EXPECT_EQ(state_of("10.1.0.9"), "taken");
  EXPECT_EQ(state_of("10.1.0.7"), "free");
  EXPECT_EQ(state_of("10.1.0.8"), "free");
}

TEST_F(SweeperTest, LeavesAPodTheAddressThatItHas) {
  create("10.1.0.9", owner("p"));
  create("10.1.0.7", owner("p"));
  put_pod("p", "10.1.0.7");
  run(seconds(40));
  EXPECT_EQ(state_of("10.1.0.9"), "free");
  EXPECT_EQ(state_of("10.1.0.7"), "taken");
}

TEST_F(SweeperTest, WritesTheStatusOfAPoolWhereItHasChanged) {
  run(seconds(2));
  EXPECT_EQ(base::get_int(pool(), "status.capacity"), 254);
  EXPECT_EQ(base::get_int(pool(), "status.allocated"), 0);
  EXPECT_EQ(base::get_string(pool(), "status.conditions.0.reason"), "Ready");
  EXPECT_EQ(base::get_string(pool(), "status.conditions.0.status"), "True");
  server_.clear_requests();
  run(seconds(60));
  EXPECT_EQ(count("apply", resources::kVNodeIPPool), 0);
  for (int i = 1; i < 20; ++i) {
    create("10.1.0." + std::to_string(i), owner("p" + std::to_string(i)));
  }
  run(seconds(2));
  EXPECT_EQ(base::get_int(pool(), "status.allocated"), 19);
  EXPECT_LE(count("apply", resources::kVNodeIPPool), 2);
}

TEST_F(SweeperTest, TwoSweepersDoNotWriteInTurns) {
  Allocator other(timers_, server_, Log::silent());
  Sweeper second(timers_, server_, other, Log::silent());
  other.start();
  second.start();
  create("10.1.0.7", owner("p"), true);
  run(seconds(12));
  server_.clear_requests();
  run(seconds(60));
  EXPECT_EQ(count("apply", resources::kVNodeIPPool), 0);
  EXPECT_EQ(state_of("10.1.0.7"), "free");
}

TEST_F(SweeperTest, StopsAndStartsAgain) {
  sweeper_->stop();
  create("10.1.0.7", owner("p"), true);
  run(seconds(60));
  EXPECT_EQ(state_of("10.1.0.7"), "releasing");
  sweeper_->start();
  run(seconds(2));
  EXPECT_EQ(state_of("10.1.0.7"), "free");
  // The allocator outlives a sweeper.
  sweeper_.reset();
  create("10.1.0.8", owner("p"), true);
  EXPECT_EQ(state_of("10.1.0.8"), "releasing");
}

TEST(PoolStatus, KeepsTheTimeOfTheLastTransition) {
  const Allocator::PoolState ready{.capacity = 4, .allocated = 1, .reason = "Ready"};
  Json object = pool_object("a", {"10.1.0.0/29"});
  object.at("metadata").as_object()["generation"] = 3;
  const Json first = pool_status(object, ready, "2026-01-01T00:00:00Z");
  EXPECT_EQ(base::get_int(first, "observedGeneration"), 3);
  object.as_object()["status"] = first;
  EXPECT_EQ(pool_status(object, ready, "2026-01-02T00:00:00Z"), first);
  const Json full = pool_status(object, {.capacity = 4, .allocated = 4, .reason = "Exhausted"},
                                "2026-01-03T00:00:00Z");
  EXPECT_EQ(base::get_string(full, "conditions.0.status"), "False");
  EXPECT_EQ(base::get_string(full, "conditions.0.lastTransitionTime"), "2026-01-03T00:00:00Z");
}

}  // namespace
}  // namespace vk8s::ipmanager
