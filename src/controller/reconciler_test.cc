#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
namespace resources = kube::resources;

TEST_F(ReconcilerTest, WritesEverythingOfANewClusterInOneGo) {
  ASSERT_TRUE(reconcile());
  for (const char* name : {"demo", "demo-peers"}) {
    EXPECT_FALSE(object(resources::kService, name).is_null()) << name;
  }
  for (const char* name : {"demo-pki", "demo-agent-ca", "demo-kubeconfig", "demo-master-1-config",
                           "demo-worker-1-config"}) {
    EXPECT_FALSE(object(resources::kSecret, name).is_null()) << name;
  }
  for (const char* name : {"demo-master-1", "demo-worker-1"}) {
    EXPECT_FALSE(object(resources::kStatefulSet, name).is_null()) << name;
  }
  EXPECT_FALSE(object(resources::kNetworkPolicy, "demo").is_null());
  EXPECT_EQ(status().phase, "Installing");
  EXPECT_EQ(status().version, "") << "nothing runs yet";
  EXPECT_EQ(status().observed_generation, 1);
  EXPECT_THAT(announced_, Contains("Installing"));
}

TEST_F(ReconcilerTest, ReadsNothingOfANewCluster) {
  ASSERT_TRUE(reconcile());
  for (const kube::FakeRequest& request : requests()) {
    EXPECT_NE(request.verb, "get") << request.resource.kind << " " << request.key.name;
    EXPECT_NE(request.verb, "list");
  }
}

TEST_F(ReconcilerTest, TriesThePodBeforeItCreatesAnything) {
  loop_.run([this] {
    server_->fail_next("dry-run", resources::kPod,
                       Error(Errc::kForbidden, "violates PodSecurity \"restricted\""));
  });
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->again);
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_THAT(status().message, HasSubstr("violates PodSecurity"));
  EXPECT_EQ(api::find_condition(status().conditions, "Ready")->reason, "PodRefused");
  EXPECT_TRUE(object(resources::kService, "demo").is_null());
  EXPECT_TRUE(object(resources::kSecret, "demo-pki").is_null());
}

TEST_F(ReconcilerTest, IsIdleOnceAllIsAsDesired) {
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(requests().empty()) << requests().front().verb << " "
                                  << requests().front().resource.kind;
}

TEST_F(ReconcilerTest, RunsAgainBeforeTheCachesHaveCaughtUp) {
  ASSERT_TRUE(reconcile());
  clear_requests();
  // The world still shows the Vk8s alone.
  ASSERT_TRUE(reconciler_.reconcile(kDemo));
  EXPECT_TRUE(writes().empty()) << writes().front();
}

TEST_F(ReconcilerTest, GoesOnFromAHalfDoneStateOfAnEarlierProcess) {
  ASSERT_TRUE(reconcile());
  const Json pki = object(resources::kSecret, "demo-pki");
  FakeAgents agents;
  Reconciler reborn(Reconciler::Parts{
      client_, world_, agents, inner_, addresses_, addons_, {}, Settings(), Log::silent()});
  sync();
  clear_requests();
  ASSERT_TRUE(reborn.reconcile(kDemo));
  EXPECT_TRUE(writes().empty()) << writes().front();
  EXPECT_EQ(object(resources::kSecret, "demo-pki"), pki);
  EXPECT_NE(agents.identity_, nullptr);
}

TEST_F(ReconcilerTest, NeverTouchesWhatIsSomebodyElses) {
  const Json theirs = base::parse_json(R"({"apiVersion":"v1","kind":"Secret","metadata":{
      "namespace":"team-a","name":"demo-pki"},"data":{"mine":"eA=="}})")
                          .value();
  loop_.run([&] { server_->put(resources::kSecret, theirs); });
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_EQ(api::find_condition(status().conditions, "NameConflict")->status,
            api::ConditionStatus::kTrue);
  EXPECT_THAT(status().message, HasSubstr("Secret team-a/demo-pki"));
  EXPECT_EQ(*base::find(object(resources::kSecret, "demo-pki"), "data"),
            *base::find(theirs, "data"));
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-master-1").is_null());
}

TEST_F(ReconcilerTest, WaitsForAnEarlierClusterOfTheSameName) {
  loop_.run([&] {
    server_->put(resources::kService, base::parse_json(R"({"apiVersion":"v1","kind":"Service",
        "metadata":{"namespace":"team-a","name":"demo-peers","ownerReferences":[{"kind":"Vk8s",
        "name":"demo","uid":"uid-before","controller":true}]}})")
                                          .value());
  });
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->again);
  EXPECT_EQ(status().phase, "Waiting");
}

TEST_F(ReconcilerTest, BecomesRunningWithTheLastNode) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  put_pod("demo-worker-1", false);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Installing");
  EXPECT_EQ(status().ready_nodes, "1/2");
  ASSERT_EQ(agents_.targets_.size(), 2U);
  EXPECT_EQ(agents_.targets_[0].server_name, "demo-master-1-0.demo-peers.team-a.svc");
  agents_.reports_["demo-worker-1"] = {true, false, "", 100, "v1.37.2"};
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Running");
  EXPECT_THAT(announced_, Contains("Running"));
}

TEST_F(ReconcilerTest, StopsAndStartsThePodsOfAPausedCluster) {
  ASSERT_TRUE(reconcile());
  Json paused = object(resources::kVk8s, "demo");
  set(paused, "spec.paused", true);
  store_vk8s(paused);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_int(object(resources::kStatefulSet, "demo-master-1"), "spec.replicas"), 0);
  EXPECT_EQ(status().phase, "Paused");
  Json resumed = object(resources::kVk8s, "demo");
  set(resumed, "spec.paused", false);
  store_vk8s(resumed);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_int(object(resources::kStatefulSet, "demo-master-1"), "spec.replicas"), 1);
  EXPECT_EQ(status().phase, "Restarting");
}

TEST_F(ReconcilerTest, RemovesANodeThatHasLeftTheSpec) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  Json smaller = object(resources::kVk8s, "demo");
  smaller.get_object()["spec"].get_object()["nodes"].get_array().pop_back();
  store_vk8s(smaller);
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-worker-1").is_null());
  EXPECT_TRUE(object(resources::kSecret, "demo-worker-1-config").is_null());
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-master-1").is_null());
}

TEST_F(ReconcilerTest, TakesInANodeThatComesBackUnderItsName) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  const Json whole = object(resources::kVk8s, "demo");
  Json smaller = whole;
  smaller.get_object()["spec"].get_object()["nodes"].get_array().pop_back();
  store_vk8s(smaller);
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(object(resources::kSecret, "demo-worker-1-config").is_null());
  Json again = object(resources::kVk8s, "demo");
  set(again, "spec.nodes", *base::find(whole, "spec.nodes"));
  store_vk8s(again);
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-worker-1").is_null());
  EXPECT_FALSE(object(resources::kSecret, "demo-worker-1-config").is_null());
}

TEST_F(ReconcilerTest, OpensTheServicesThatPortsName) {
  Json with_port = vk8s_object();
  set(with_port, "spec.ports",
      JsonArray{JsonObject{{"name", "web"}, {"port", 80}, {"service", "default/web"}}});
  store_vk8s(with_port);
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(waiting->again);
  EXPECT_THAT(status().message, HasSubstr("no such Service inside yet"));
  EXPECT_EQ(std::count(announced_.begin(), announced_.end(), "PortsNotOpen"), 1);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(std::count(announced_.begin(), announced_.end(), "PortsNotOpen"), 1);
  EXPECT_TRUE(object(resources::kService, "demo-ports").is_null());

  put_inner(resources::kService, R"({"metadata":{"namespace":"default","name":"web"},
      "spec":{"selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080}]}})");
  // As the inner API server assigns it; apply keeps it.
  put_inner(resources::kService, R"({"metadata":{"namespace":"default","name":"vk8s-port-web"},
      "spec":{"ports":[{"name":"web","port":80,"protocol":"TCP","nodePort":30123}]}})");
  now_ += std::chrono::seconds(10);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_string(inner_object(resources::kService, {"default", "vk8s-port-web"}),
                             "spec.selector.app"),
            "web");
}

// A cluster with both nodes ready, a Node inside for its worker, and what a test of
// labels and taints asks of it.
class NodeMetadataTest : public ReconcilerTest {
 protected:
  void SetUp() override {
    spec_ = vk8s_object();
    edit(JsonObject{{"zone", "a"}}, JsonArray{taint("gpu")});
    ASSERT_TRUE(reconcile());
    // As the kubelet makes it.
    put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-1","labels":
        {"zone":"a","theirs":"x"}},"spec":{"taints":[{"key":"gpu","effect":"NoSchedule"},
        {"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}]}})");
    put_pod("demo-master-1", true);
    put_pod("demo-worker-1", true);
  }

  static Json taint(const char* key) { return JsonObject{{"key", key}, {"effect", "NoSchedule"}}; }
  void edit(JsonObject labels, JsonArray taints) {
    set(spec_, "spec.nodes.1.labels", std::move(labels));
    set(spec_, "spec.nodes.1.taints", std::move(taints));
    Json stored = object(resources::kVk8s, "demo");
    set(stored, "spec", *base::find(spec_, "spec"));
    store_vk8s(stored);
  }
  Json node() { return inner_object(resources::kNode, {"", "demo-worker-1"}); }
  Json labels() { return *base::find(node(), "metadata.labels"); }
  std::vector<std::string> taints() {
    std::vector<std::string> out;
    const Json seen = node();
    const JsonArray* all = base::get_array(seen, "spec.taints");
    for (const Json& each : all == nullptr ? JsonArray() : *all) {
      out.emplace_back(base::get_string(each, "key").value_or(""));
    }
    return out;
  }
  std::vector<std::string> inner_requests() {
    return loop_.run([this] {
      std::vector<std::string> out;
      for (const kube::FakeRequest& request : inner_server_->requests()) {
        out.push_back(request.verb + " " + request.resource.kind + " " + request.key.name);
      }
      inner_server_->clear_requests();
      return out;
    });
  }

  Json spec_;
};

constexpr const char* kGetWorker = "get Node demo-worker-1";
constexpr const char* kPatchWorker = "patch Node demo-worker-1";

TEST_F(NodeMetadataTest, EditsReachTheNodeAndLeaveItsPod) {
  const Json pod_template =
      *base::find(object(resources::kStatefulSet, "demo-worker-1"), "spec.template");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Running");

  edit(JsonObject{{"zone", "b"}, {"disk", "ssd"}}, JsonArray{taint("edge")});
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(labels(), (JsonObject{{"zone", "b"}, {"theirs", "x"}, {"disk", "ssd"}}));
  EXPECT_THAT(taints(), testing::ElementsAre("node.kubernetes.io/not-ready", "edge"));
  EXPECT_EQ(*base::find(object(resources::kStatefulSet, "demo-worker-1"), "spec.template"),
            pod_template);
  const std::string config =
      pki::base64_decode(
          *base::get_object(object(resources::kSecret, "demo-worker-1-config"), "data")
               ->at("node.json")
               .if_string())
          .value();
  EXPECT_THAT(config, HasSubstr(R"("disk":"ssd")")) << "a later start sees them";

  edit(JsonObject(), JsonArray());
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(labels(), (JsonObject{{"theirs", "x"}}));
  EXPECT_THAT(taints(), testing::ElementsAre("node.kubernetes.io/not-ready"));
  EXPECT_TRUE(base::get_object(node(), "metadata.annotations")->empty());
}

TEST_F(NodeMetadataTest, AsksOnceForEachSpec) {
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(inner_requests(), testing::ElementsAre(kGetWorker, kPatchWorker));
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(inner_requests().empty());
  edit(JsonObject{{"zone", "a"}}, JsonArray{taint("gpu"), taint("edge")});
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(inner_requests(), testing::ElementsAre(kGetWorker, kPatchWorker));
}

TEST_F(NodeMetadataTest, RemovesWhatWasEditedAwayWhileNoControllerRan) {
  ASSERT_TRUE(reconcile());
  edit(JsonObject(), JsonArray());
  sync();
  inner_requests();
  FakeAgents agents;
  Reconciler reborn(Reconciler::Parts{
      client_, world_, agents, inner_, addresses_, addons_, {}, Settings(), Log::silent()});
  ASSERT_TRUE(reborn.reconcile(kDemo));
  EXPECT_THAT(inner_requests(), testing::ElementsAre(kGetWorker, kPatchWorker));
  EXPECT_EQ(labels(), (JsonObject{{"theirs", "x"}}));
}

TEST_F(NodeMetadataTest, WaitsForANodeThatIsNotReady) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-worker-1", false);
  edit(JsonObject{{"zone", "b"}}, JsonArray());
  inner_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(inner_requests().empty());
  put_pod("demo-worker-1", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_string(node(), "metadata.labels.zone"), "b");
}

TEST_F(NodeMetadataTest, LooksAgainWhenANodeHasBeenAway) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", false);
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  inner_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(inner_requests(), testing::ElementsAre(kGetWorker));
}

TEST_F(NodeMetadataTest, TriesAgainAfterAFailureAndSaysSo) {
  loop_.run([this] {
    inner_server_->fail_next("patch", resources::kNode, Error(Errc::kUnavailable, "no etcd"));
  });
  const auto failed = reconcile();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->again, std::chrono::seconds(5));
  EXPECT_EQ(status().phase, "Running");
  EXPECT_THAT(status().message, HasSubstr("node demo-worker-1: labels and taints not applied"));
  EXPECT_THAT(status().message, HasSubstr("no etcd"));
  EXPECT_EQ(api::find_condition(status().conditions, "LabelsNotApplied")->status,
            api::ConditionStatus::kTrue);
  inner_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(inner_requests().empty()) << "not before its time";
  now_ += std::chrono::seconds(5);
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(inner_requests(), testing::ElementsAre(kGetWorker, kPatchWorker));
  EXPECT_EQ(status().message, "");
  EXPECT_EQ(api::find_condition(status().conditions, "LabelsNotApplied")->status,
            api::ConditionStatus::kFalse);
}

TEST_F(NodeMetadataTest, DoesNotWaitForPortsThatCannotBeOpened) {
  set(spec_, "spec.ports",
      JsonArray{JsonObject{{"name", "web"}, {"port", 80}, {"service", "default/web"}}});
  edit(JsonObject{{"zone", "b"}}, JsonArray());
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(status().message, HasSubstr("no such Service inside yet"));
  EXPECT_EQ(base::get_string(node(), "metadata.labels.zone"), "b");
}

TEST_F(NodeMetadataTest, LosesNoTaintThatAnotherAddsMeanwhile) {
  ASSERT_TRUE(reconcile());
  edit(JsonObject(), JsonArray{taint("edge")});
  bool is_first = true;
  loop_.run([&] {
    inner_server_->set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
      if (request.verb == "patch" && std::exchange(is_first, false)) {
        Json theirs = *inner_server_->peek(resources::kNode, request.key);
        theirs.get_object()["spec"].get_object()["taints"].get_array().push_back(taint("theirs"));
        inner_server_->put(resources::kNode, theirs);
      }
      return std::nullopt;
    });
  });
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(is_first);
  EXPECT_THAT(taints(), testing::ElementsAre("node.kubernetes.io/not-ready", "theirs", "edge"));
  EXPECT_EQ(status().message, "");
}

TEST_F(ReconcilerTest, AsksNothingInsideWhereNoNodeHasLabelsOrTaints) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  put_pod("demo-worker-1", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Running");
  EXPECT_TRUE(loop_.run([this] { return inner_server_->requests().empty(); }));
}

TEST_F(ReconcilerTest, WaitsWithTheFirstObjectForTheNetwork) {
  Json waiting = vk8s_object();
  set(waiting, "metadata.annotations", JsonObject{{"cluster-network-connection-status", "false"}});
  store_vk8s(waiting);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Waiting Network Connection");
  EXPECT_TRUE(writes().empty());
}

TEST_F(ReconcilerTest, ReplacesOutdatedPodsOneByOneMasterFirst) {
  ASSERT_TRUE(reconcile());
  put_pod_of_revision("demo-master-1", "old");
  put_pod_of_revision("demo-worker-1", "old");
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(writes(), testing::ElementsAre("patch StatefulSet demo-master-1",
                                             "delete Pod demo-master-1-0"));
  // Its successor is not there yet: the worker waits.
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(writes().empty());
}

TEST_F(ReconcilerTest, MendsAnObjectThatWasChanged) {
  ASSERT_TRUE(reconcile());
  Json service = object(resources::kService, "demo");
  set(service, "spec.selector.role", "worker");
  loop_.run([&] { server_->put(resources::kService, service); });
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_string(object(resources::kService, "demo"), "spec.selector.role"), "master");
}

TEST_F(ReconcilerTest, MovesAPlainPasswordIntoASecret) {
  Json vk8s = vk8s_object();
  set(vk8s, "spec.kubeflow.password", "plain-text");
  store_vk8s(vk8s);
  ASSERT_TRUE(reconcile());
  const Json moved = object(resources::kVk8s, "demo");
  EXPECT_EQ(base::find(moved, "spec.kubeflow.password"), nullptr);
  EXPECT_EQ(base::get_string(moved, "spec.kubeflow.passwordSecretRef.name"),
            "demo-kubeflow-password");
  EXPECT_EQ(base::get_string(object(resources::kSecret, "demo-kubeflow-password"), "data.password"),
            pki::base64_encode("plain-text"));
  EXPECT_THAT(announced_, Contains("PlainPassword"));
}

TEST_F(ReconcilerTest, ForgetsAClusterThatIsGone) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  ASSERT_TRUE(reconcile());
  world_.erase(resources::kVk8s, kDemo);
  ASSERT_TRUE(reconciler_.reconcile(kDemo));
  EXPECT_TRUE(agents_.targets_.empty());
}

}  // namespace
}  // namespace vk8s::controller
