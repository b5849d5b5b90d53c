#include "agent/node_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::agent {
namespace {

using api::ComponentState;
using api::NodePhase;
using testing::HasSubstr;

const api::NodeConfig kConfig = {.cluster_name = "a", .node_name = "a-master-1"};
const NodeObservation kReadyNode = {.exists = true, .ready = true, .kubelet_version = "v1.37.2"};

Json node_object(const char* ready) {
  return {{"spec", {{"podCIDR", "100.72.0.0/24"}}},
          {"status",
           {{"nodeInfo", {{"kubeletVersion", "v1.37.2"}}},
            {"conditions",
             JsonArray{JsonObject{{"type", "MemoryPressure"}, {"status", "False"}},
                       JsonObject{{"type", "Ready"}, {"status", ready}, {"message", "why"}}}}}}};
}

TEST(ObserveNode, ReadsTheReadyCondition) {
  const NodeObservation ready = observe_node(node_object("True"));
  EXPECT_TRUE(ready.ready);
  EXPECT_EQ(ready.kubelet_version, "v1.37.2");
  EXPECT_EQ(ready.pod_cidr, "100.72.0.0/24");
  EXPECT_FALSE(observe_node(node_object("Unknown")).ready);
  EXPECT_FALSE(observe_node(Json{{"status", "nonsense"}}).ready);
}

TEST(Summarize, SaysWhatIsStartingAndHowFarItIs) {
  const auto status = summarize(kConfig,
                                {{.name = "etcd", .state = ComponentState::kRunning},
                                 {.name = "kube-apiserver", .state = ComponentState::kStarting},
                                 {.name = "kubelet"}},
                                {}, false);
  EXPECT_EQ(status.phase, NodePhase::kStarting);
  EXPECT_EQ(status.step, "starting kube-apiserver");
  EXPECT_EQ(status.percent, 20);
}

TEST(Summarize, SaysWhyTheNodeIsNotReady) {
  const auto status = summarize(kConfig, {{.name = "kubelet", .state = ComponentState::kRunning}},
                                observe_node(node_object("False")), false);
  EXPECT_EQ(status.step, "waiting for the kubelet to report Ready");
  EXPECT_EQ(status.message, "why");
}

TEST(Summarize, ACrashLoopCarriesTheLastLine) {
  const auto status = summarize(kConfig,
                                {{.name = "etcd",
                                  .state = ComponentState::kBackoff,
                                  .restarts = 3,
                                  .last_exit = "exit code 1",
                                  .last_lines = {"starting", "disk full"}}},
                                kReadyNode, false);
  EXPECT_EQ(status.phase, NodePhase::kDegraded);
  EXPECT_EQ(status.message,
            "etcd ended (exit code 1) and is restarted (3 times so far): disk full");
}

// The Node stays Ready in what was seen last while its API server is away.
TEST(Summarize, IsNotReadyUntilAControlPlaneThatEndedIsThereAgain) {
  for (const char* name : {"etcd", "kube-apiserver"}) {
    for (const auto state : {ComponentState::kWaiting, ComponentState::kStarting}) {
      const auto status = summarize(
          kConfig, {{.name = name, .state = state, .restarts = 1, .last_exit = "signal 9"}},
          kReadyNode, false);
      EXPECT_EQ(status.phase, NodePhase::kDegraded) << name;
      EXPECT_EQ(status.message,
                std::string(name) + " ended (signal 9) and is restarted (1 times so far)");
    }
    const auto again =
        summarize(kConfig, {{.name = name, .state = ComponentState::kRunning, .restarts = 1}},
                  kReadyNode, false);
    EXPECT_EQ(again.phase, NodePhase::kReady) << name;
  }
}

TEST(Summarize, WaitsForNoOtherComponentOfAReadyNode) {
  const std::vector<api::ComponentStatus> components = {
      {.name = "etcd", .state = ComponentState::kRunning},
      {.name = "kube-apiserver", .state = ComponentState::kRunning},
      {.name = "coredns", .state = ComponentState::kWaiting},
      {.name = "pause-image", .state = ComponentState::kStarting}};
  EXPECT_EQ(summarize(kConfig, components, kReadyNode, false).phase, NodePhase::kReady);
}

TEST(Summarize, AWorkerIsReadyWithoutAControlPlaneOfItsOwn) {
  api::NodeConfig worker = kConfig;
  worker.role = api::NodeRole::kWorker;
  const auto status = summarize(
      worker, {{.name = "api-server", .state = ComponentState::kStarting}}, kReadyNode, false);
  EXPECT_EQ(status.phase, NodePhase::kReady);
}

TEST(NodeTracker, SaysWhatIsWrongBetweenReadyNodes) {
  NodeTracker tracker(kConfig);
  tracker.set_network_trouble("network: large packets are lost");
  tracker.update({.exists = true, .message = "why"});
  EXPECT_EQ(tracker.status().message, "why") << "what keeps it from Ready comes first";
  tracker.update(kReadyNode);
  EXPECT_EQ(tracker.status().message, "network: large packets are lost");
  EXPECT_TRUE(tracker.is_ready());
  tracker.set_network_trouble("");
  EXPECT_EQ(tracker.status().message, "");
}

TEST(NodeTracker, TellsFollowersEachChangeOnce) {
  NodeTracker tracker(kConfig);
  std::vector<std::string> steps;
  const int id = tracker.follow([&](int, const api::NodeStatus& s) { steps.push_back(s.step); });
  tracker.update({{.name = "kubelet", .state = ComponentState::kStarting}});
  tracker.update({{.name = "kubelet", .state = ComponentState::kStarting}});
  tracker.update(kReadyNode);
  EXPECT_THAT(steps, testing::ElementsAre("starting kubelet", "ready"));
  EXPECT_TRUE(tracker.is_ready());
  tracker.unfollow(id);
  tracker.stopping();
  EXPECT_EQ(steps.size(), 2U);
  EXPECT_FALSE(tracker.is_ready());
}

TEST(NodeTracker, AFollowerMayGoWhileItIsTold) {
  NodeTracker tracker(kConfig);
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    tracker.follow([&](int id, const api::NodeStatus&) {
      ++told;
      tracker.unfollow(id);
    });
  }
  tracker.update(kReadyNode);
  tracker.stopping();
  EXPECT_EQ(told, 3);
}

TEST(NodeTracker, SinceIsTheBeginningOfThePhase) {
  NodeTracker tracker(kConfig);
  tracker.update({{.name = "etcd", .state = ComponentState::kStarting}});
  const auto since = tracker.status().since;
  tracker.update({{.name = "etcd", .state = ComponentState::kRunning}});
  EXPECT_EQ(tracker.status().since, since);
}

}  // namespace
}  // namespace vk8s::agent
