#include "controller/cluster_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;

constexpr std::string_view kNow = "2026-01-02T00:00:00Z";

class ClusterStatus : public testing::Test {
 protected:
  ClusterStatus() {
    seen_.version = "1.37.2";
    seen_.endpoint = "https://192.0.2.10:31234";
    for (const api::NodeSpec& node : vk8s_.spec.nodes) {
      NodeObservation observation;
      observation.name = node.name;
      observation.role = node.role;
      seen_.nodes.push_back(observation);
    }
  }

  void make_ready(std::size_t index) {
    seen_.nodes[index].has_pod = true;
    seen_.nodes[index].pod_ready = true;
  }

  const api::Vk8sStatus& compute() {
    status_ = compute_status(vk8s_, status_, seen_, kNow);
    return status_;
  }

  const api::Condition& condition(std::string_view type) {
    const api::Condition* found = api::find_condition(status_.conditions, type);
    static const api::Condition kNone;
    return found == nullptr ? kNone : *found;
  }

  api::Vk8s vk8s_ = vk8s();
  api::Vk8sStatus status_;
  Observation seen_;
};

TEST_F(ClusterStatus, ShowsWhatAReadyNodeHasToSay) {
  make_ready(0);
  make_ready(1);
  seen_.nodes[0].agent = AgentReport{true, false, "network: large packets are lost", 100, ""};
  seen_.nodes[1].agent = AgentReport{false, false, "its agent does not answer", 100, ""};
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(status_.nodes[0].message, "network: large packets are lost");
  EXPECT_EQ(status_.nodes[1].message, "");
}

TEST_F(ClusterStatus, IsInstallingUntilEveryNodeIsReady) {
  EXPECT_EQ(compute().phase, "Installing");
  EXPECT_EQ(status_.ready_nodes, "0/2");
  make_ready(0);
  EXPECT_EQ(compute().phase, "Installing");
  EXPECT_EQ(status_.ready_nodes, "1/2");
  EXPECT_EQ(condition("ControlPlaneReady").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("NodesReady").status, api::ConditionStatus::kFalse);
  make_ready(1);
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(status_.ready_nodes, "2/2");
  EXPECT_EQ(condition("Ready").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("Ready").reason, "AllReady");
  EXPECT_EQ(status_.message, "");
  EXPECT_EQ(status_.kubeconfig_secret, "demo-kubeconfig");
  EXPECT_EQ(status_.observed_generation, vk8s_.metadata.generation);
}

TEST_F(ClusterStatus, TakesTheAgentsWordBeforeTheKubeletHasProbed) {
  for (NodeObservation& node : seen_.nodes) {
    node.has_pod = true;
    node.agent = AgentReport{true, false, "", 100, "v1.37.2"};
  }
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(status_.nodes[0].kubelet_version, "v1.37.2");
}

TEST_F(ClusterStatus, TellsWhatANodeIsDoing) {
  seen_.nodes[0].has_pod = true;
  seen_.nodes[0].agent = AgentReport{false, false, "waiting for the API server", 40, ""};
  EXPECT_EQ(compute().message, "demo-master-1: waiting for the API server");
  EXPECT_EQ(status_.nodes[0].phase, "Starting");
  EXPECT_EQ(status_.nodes[0].progress, 40);
  EXPECT_EQ(status_.nodes[1].phase, "Pending");
}

TEST_F(ClusterStatus, TellsWhyAPodDoesNotRun) {
  seen_.nodes[0].has_pod = true;
  seen_.nodes[0].trouble = "ErrImagePull: not found";
  EXPECT_EQ(compute().message, "demo-master-1: ErrImagePull: not found");
  EXPECT_EQ(status_.nodes[0].phase, "Failing");
}

TEST_F(ClusterStatus, IsRestartingAndDegradedOnceItHasRun) {
  make_ready(0);
  make_ready(1);
  compute();
  seen_.nodes[1].pod_ready = false;
  EXPECT_EQ(compute().phase, "Restarting");
  EXPECT_EQ(condition("Degraded").status, api::ConditionStatus::kTrue);
  EXPECT_THAT(condition("Degraded").message, HasSubstr("demo-worker-1"));
  make_ready(1);
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(condition("Degraded").status, api::ConditionStatus::kFalse);
}

TEST_F(ClusterStatus, IsPausedAndThenRestarting) {
  make_ready(0);
  make_ready(1);
  compute();
  seen_.is_paused = true;
  seen_.nodes[0] = seen_.nodes[1] = NodeObservation();
  EXPECT_EQ(compute().phase, "Paused");
  EXPECT_EQ(condition("Ready").reason, "Paused");
  seen_.is_paused = false;
  EXPECT_EQ(compute().phase, "Restarting");
}

TEST_F(ClusterStatus, SaysWhatIsInTheWay) {
  seen_.problem = Problem{api::phase::kFail, "NodeNameConflict", "node name \"x\" is taken", {}};
  EXPECT_EQ(compute().phase, "Fail");
  EXPECT_EQ(status_.message, "node name \"x\" is taken");
  EXPECT_EQ(condition("NodeNameConflict").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("Ready").reason, "NodeNameConflict");
  seen_.problem.reset();
  EXPECT_EQ(compute().phase, "Installing");
  EXPECT_EQ(condition("NodeNameConflict").status, api::ConditionStatus::kFalse);
}

TEST_F(ClusterStatus, OfARunningClusterSurvivesAFailedWrite) {
  make_ready(0);
  make_ready(1);
  seen_.problem = Problem{{}, "WriteFailed", "create Service a/b: timeout", {}};
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_THAT(status_.message, HasSubstr("timeout"));
}

TEST_F(ClusterStatus, ShowsFixedAddressesAlsoOfNodesWithoutAPod) {
  seen_.nodes[0].reserved_ip = "10.1.0.7";
  EXPECT_EQ(compute().nodes[0].reserved_ip, "10.1.0.7");
  EXPECT_EQ(status_.nodes[0].ip, "");
}

TEST_F(ClusterStatus, SaysThatTheNetworkIgnoresAnAddress) {
  make_ready(0);
  make_ready(1);
  compute();
  EXPECT_EQ(api::find_condition(status_.conditions, "AddressIgnored"), nullptr);
  seen_.nodes[1].pod_ip = "10.9.0.1";
  seen_.nodes[1].ignored_ip = "10.1.0.7";
  seen_.nodes[1].host_node = "host-2";
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(condition("AddressIgnored").status, api::ConditionStatus::kTrue);
  EXPECT_THAT(condition("AddressIgnored").message,
              HasSubstr("node demo-worker-1 has 10.9.0.1 instead of its fixed address 10.1.0.7: "
                        "the network of host node host-2"));
  seen_.nodes[1].ignored_ip = "";
  compute();
  EXPECT_EQ(condition("AddressIgnored").status, api::ConditionStatus::kFalse);
}

TEST_F(ClusterStatus, SaysThatAddressesCannotMove) {
  seen_.address_limits = "strictAffinity keeps them";
  compute();
  EXPECT_EQ(condition("AddressesCannotMove").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("AddressesCannotMove").message, "strictAffinity keeps them");
}

TEST_F(ClusterStatus, WarnsOfAMasterWithoutAVolume) {
  compute();
  EXPECT_EQ(api::find_condition(status_.conditions, "Ephemeral"), nullptr);
  vk8s_.spec.nodes[0].storage.ephemeral = true;
  compute();
  EXPECT_EQ(condition("Ephemeral").status, api::ConditionStatus::kTrue);
}

TEST_F(ClusterStatus, WarnsOfAWorkerThatWasMadeEphemeralAndOfNoneWithoutStorage) {
  auto& storage = vk8s_.spec.nodes[1].storage;
  storage = {.ephemeral = true, .offers_volumes = false};
  compute();
  EXPECT_EQ(api::find_condition(status_.conditions, "Ephemeral"), nullptr);
  storage.offers_volumes = true;
  compute();
  EXPECT_EQ(condition("Ephemeral").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("Ephemeral").message,
            "node demo-worker-1 has no volume: volumes inside that lie on it are lost when its "
            "pod goes");
}

TEST_F(ClusterStatus, NamesEachThingThatAnOldManifestAsksForInVain) {
  seen_.addons.emplace();
  seen_.addons->kubeflow = api::AddonStatus{"", "Blocked", "", "no version \"1.4\"", 0, {}};
  seen_.missing = "node demo-master-1: no node of the host has nvidia.com/gpu";
  seen_.problem = Problem{api::phase::kFail, std::string(reason::kNotAllowed), "image x", {}};
  const auto status = compute();
  EXPECT_THAT(api::find_condition(status.conditions, "ResourcesMissing")->message,
              HasSubstr("nvidia.com/gpu"));
  EXPECT_THAT(api::find_condition(status.conditions, "KubeflowReady")->message, HasSubstr("1.4"));
  EXPECT_THAT(api::find_condition(status.conditions, "Ready")->message, HasSubstr("image x"));
}

TEST_F(ClusterStatus, SaysWhatKubeflowWaitsForAndKeepsThatWhileNobodyLooks) {
  make_ready(0);
  seen_.addons.emplace();
  seen_.addons->kubeflow =
      api::AddonStatus{"", "Installing", "2.0", "", 40, {{"a", true, ""}, {"b", false, "no pod"}}};
  compute();
  EXPECT_EQ(condition("KubeflowReady").reason, "Installing");
  EXPECT_EQ(condition("KubeflowReady").message, "40 %: b: no pod");
  seen_.addons.reset();
  EXPECT_TRUE(compute().kubeflow);
  seen_.addons.emplace();
  EXPECT_FALSE(compute().kubeflow);
  EXPECT_EQ(condition("KubeflowReady").reason, "NotInstalled");
}

TEST_F(ClusterStatus, SaysWhatOfKubeflowWasKeptUntilThereIsOneAgain) {
  make_ready(0);
  seen_.addons.emplace();
  seen_.addons->kubeflow = api::AddonStatus{"", "Removed", "2.0", "CRD x is kept", 100, {}};
  compute();
  seen_.addons->kubeflow.reset();
  compute();
  EXPECT_EQ(condition("KubeflowReady").message, "Kubeflow was removed; CRD x is kept");
  compute();
  EXPECT_EQ(condition("KubeflowReady").reason, "NotInstalled");
  EXPECT_EQ(condition("KubeflowReady").message, "Kubeflow was removed; CRD x is kept");
}

TEST_F(ClusterStatus, HasAConditionForEachOfSeveralProblems) {
  make_ready(0);
  make_ready(1);
  seen_.note(Problem{{}, "PortsNotOpen", "no such Service", {}});
  seen_.note(Problem{{}, "DrainingNode", "node x leaves", {}});
  seen_.note(Problem{{}, "DrainingNode", "node y leaves", {}});
  seen_.note(std::nullopt);
  EXPECT_EQ(compute().phase, "Running");
  EXPECT_EQ(status_.message, "no such Service");
  EXPECT_EQ(condition("PortsNotOpen").status, api::ConditionStatus::kTrue);
  EXPECT_EQ(condition("DrainingNode").message, "node x leaves");
  EXPECT_EQ(seen_.problems().size(), 2U);
  seen_.problem = std::nullopt;
  seen_.more.clear();
  compute();
  EXPECT_EQ(condition("DrainingNode").status, api::ConditionStatus::kFalse);
}

TEST_F(ClusterStatus, LooksAgainAsEarlyAsTheMostUrgentOfEqualProblems) {
  seen_.note(Problem{{}, "WriteFailed", "Secret a", std::chrono::seconds(30)});
  seen_.note(Problem{"Fail", "WriteFailed", "Secret b", std::chrono::seconds(2)});
  seen_.note(Problem{{}, "WriteFailed", "Secret c", {}});
  EXPECT_EQ(compute().phase, "Fail");
  EXPECT_EQ(condition("WriteFailed").message, "Secret a");
  ASSERT_EQ(seen_.problems().size(), 1U);
  EXPECT_EQ(seen_.problem->retry_after, std::chrono::seconds(2));
}

TEST_F(ClusterStatus, HasFailedForWhateverProblemSaysSo) {
  seen_.note(Problem{{}, "PlainPassword", "Secret a", {}});
  seen_.note(Problem{"Fail", "PodRefused", "quota", {}});
  EXPECT_EQ(compute().phase, "Fail");
}

TEST_F(ClusterStatus, HidesNoProblemBehindAnother) {
  make_ready(0);
  make_ready(1);
  seen_.note(Problem{{}, "PortsNotOpen", "no such Service", {}});
  for (const char* reason :
       {"WriteFailed", "PauseRefused", "EarlierClusterLeaving", "WaitingForNetwork"}) {
    seen_.note(Problem{{}, reason, "why", {}});
  }
  compute();
  for (const char* reason :
       {"WriteFailed", "PauseRefused", "EarlierClusterLeaving", "WaitingForNetwork"}) {
    EXPECT_EQ(condition(reason).status, api::ConditionStatus::kTrue) << reason;
  }
}

// Whosever words they are.
TEST_F(ClusterStatus, ShowsNoTextThatIsLongOrThatATerminalWouldObey) {
  const std::string text = "\x1b[2J" + std::string(100'000, 'x');
  seen_.problem = Problem{{}, "DrainingNode", text, {}};
  seen_.missing = text;
  seen_.address_limits = text;
  seen_.nodes[0].trouble = text;
  seen_.nodes[1].agent = AgentReport{false, false, text, 10, ""};
  compute();
  std::vector<std::string> shown = {status_.message, status_.nodes[0].message,
                                    status_.nodes[1].message};
  for (const api::Condition& each : status_.conditions) {
    shown.push_back(each.message);
  }
  for (const std::string& each : shown) {
    EXPECT_LE(each.size(), 4096U);
    EXPECT_EQ(each.find('\x1b'), std::string::npos);
  }
}

TEST_F(ClusterStatus, ShowsTheVersionThatRuns) {
  seen_.version = "";
  EXPECT_EQ(compute().version, "");
  seen_.version = "1.36.3";
  EXPECT_EQ(compute().version, "1.36.3");
  seen_.version = "";
  EXPECT_EQ(compute().version, "1.36.3") << "nobody says otherwise";
}

// What the newest API server wrote stays in etcd.
TEST_F(ClusterStatus, ShowsNoOlderMinorVersionThanHasRun) {
  status_.version = "1.37.2";
  seen_.version = "1.36.9";
  EXPECT_EQ(compute().version, "1.37.2");
  seen_.version = "1.37.1";
  EXPECT_EQ(compute().version, "1.37.1");
  status_.version = "1.9.1";
  EXPECT_EQ(compute().version, "1.37.1");
  for (const char* nonsense : {"1.99999999999999999999", "1.x.y", "1.", "none"}) {
    status_.version = nonsense;
    EXPECT_EQ(compute().version, "1.37.1") << nonsense;
  }
}

TEST_F(ClusterStatus, IsStableWhenNothingChanges) {
  make_ready(0);
  const api::Vk8sStatus first = compute();
  EXPECT_EQ(compute_status(vk8s_, first, seen_, "2027-01-01T00:00:00Z"), first);
}

Json pod_with(std::string_view status) {
  Json pod =
      base::parse_json(R"({"metadata":{"uid":"p","labels":{"controller-revision-hash":"r1"}}})")
          .value();
  pod.get_object()["status"] = base::parse_json(status).value();
  return pod;
}

TEST(ObserveNode, ReadsPodAndRevision) {
  const api::NodeSpec node = vk8s().master();
  Json set = base::parse_json(R"({"metadata":{"generation":2},
      "status":{"observedGeneration":2,"updateRevision":"r2"}})")
                 .value();
  const Json pod =
      pod_with(R"({"podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True"}]})");
  NodeObservation seen = observe_node(node, &set, &pod);
  EXPECT_TRUE(seen.is_ready());
  EXPECT_TRUE(seen.is_outdated);
  EXPECT_EQ(seen.pod_ip, "10.0.0.1");
  // Not before the StatefulSet's controller has seen the change.
  controller::set(set, "status.observedGeneration", 1);
  EXPECT_FALSE(observe_node(node, &set, &pod).is_outdated);
  EXPECT_FALSE(observe_node(node, nullptr, nullptr).has_pod);
}

TEST(RunningVersion, IsTheKubeletsUntilAnImageHasStartedThatIsNewer) {
  const Json set = base::parse_json(R"({"spec":{"template":{"spec":{"containers":[
      {"image":"registry.example/vk8s/vnode:v1.37.2"}]}}}})")
                       .value();
  Settings settings;
  NodeObservation master;
  EXPECT_EQ(running_version(settings, master, &set), "");
  EXPECT_EQ(running_version(settings, master, nullptr), "");
  master.agent = AgentReport{true, false, "", 100, "v1.36.3"};
  EXPECT_EQ(running_version(settings, master, &set), "1.36.3");
  master.is_current = true;
  EXPECT_EQ(running_version(settings, master, &set), "1.36.3") << "its agent has not started";
  master.has_started = true;
  EXPECT_EQ(running_version(settings, master, &set), "1.37.2");
  master.agent->kubelet_version = "v1.37.1-custom";
  EXPECT_EQ(running_version(settings, master, &set), "1.37.1");
  for (const char* word : {"", "v2.0.0", "1.37", "nonsense", "v1..2", "1.99999.1", "v1.37.2.1"}) {
    master.agent->kubelet_version = word;
    EXPECT_EQ(running_version(settings, master, &set), "1.37.2") << word;
  }
}

// Of what revision it is may not be settled.
TEST(RunningVersion, IsThatOfThePodsOwnImage) {
  NodeObservation master;
  master.image = "registry.example/vk8s/vnode:v1.37.2";
  EXPECT_EQ(running_version({}, master, nullptr), "") << "its agent has not started";
  master.has_started = true;
  EXPECT_EQ(running_version({}, master, nullptr), "1.37.2");
}

TEST(RunningVersion, KnowsTheImagesOfTheInstallation) {
  const Json set = base::parse_json(R"({"spec":{"template":{"spec":{"containers":[
      {"image":"registry.example/vnode@sha256:36"}]}}}})")
                       .value();
  NodeObservation master;
  master.is_current = master.has_started = true;
  EXPECT_EQ(running_version({}, master, &set), "");
  Settings settings;
  settings.vnode_images = {{"1.36", "registry.example/vnode@sha256:36"}};
  EXPECT_THAT(running_version(settings, master, &set), testing::StartsWith("1.36."));
}

TEST(ObserveNode, KnowsWhetherItsAgentHasStarted) {
  const api::NodeSpec node = vk8s().master();
  const auto has_started = [&](std::string_view state) {
    const Json pod = pod_with(R"({"containerStatuses":[)" + std::string(state) + "]}");
    return observe_node(node, nullptr, &pod).has_started;
  };
  EXPECT_TRUE(has_started(R"({"state":{"running":{}}})"));
  EXPECT_TRUE(has_started(R"({"state":{"terminated":{"exitCode":1}}})"));
  EXPECT_TRUE(
      has_started(R"({"restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff"}}})"));
  EXPECT_FALSE(has_started(R"({"restartCount":0,"state":{"waiting":{"reason":"ErrImagePull"}}})"));
}

TEST(ObserveNode, NamesTheTroubleInTheHostsWords) {
  const api::NodeSpec node = vk8s().master();
  const auto trouble = [&](std::string_view status) {
    const Json pod = pod_with(status);
    return observe_node(node, nullptr, &pod).trouble;
  };
  EXPECT_EQ(trouble(R"({"conditions":[{"type":"PodScheduled","status":"False",
                       "message":"0/1 nodes: Insufficient cpu"}]})"),
            "not scheduled: 0/1 nodes: Insufficient cpu");
  EXPECT_EQ(trouble(R"({"containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull",
                       "message":"not\u001b found"}}}]})"),
            "ErrImagePull: not? found");
  EXPECT_EQ(
      trouble(R"({"containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]})"),
      "");
}

TEST(ObserveNode, SeesWhereThePodHasAnotherAddressThanItAsksFor) {
  const auto ignored = [](std::string_view status, std::string_view metadata = "") {
    const Json pod =
        base::parse_json(R"({"metadata":{"annotations":{"vk8s.sktelecom.com/ip":"10.1.0.7"})" +
                         std::string(metadata) + R"(},"spec":{"nodeName":"host-2"},"status":)" +
                         std::string(status) + "}")
            .value();
    const NodeObservation seen = observe_node(vk8s().master(), nullptr, &pod);
    EXPECT_EQ(seen.host_node, "host-2");
    return seen.ignored_ip;
  };
  EXPECT_EQ(ignored(R"({"podIP":"10.9.0.1"})"), "10.1.0.7");
  EXPECT_EQ(ignored(R"({"podIP":"10.1.0.7"})"), "");
  EXPECT_EQ(ignored(R"({})"), "") << "it has none yet";
  EXPECT_EQ(ignored(R"({"podIP":"fd00::1","podIPs":[{"ip":"fd00::1"},{"ip":"10.1.0.7"}]})"), "");
  EXPECT_EQ(ignored(R"({"podIP":"10.9.0.1"})", R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")"),
            "");
}

}  // namespace
}  // namespace vk8s::controller
