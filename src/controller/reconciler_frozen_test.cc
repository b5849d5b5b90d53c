// A cluster that is there, and whose spec or Secrets cannot be what they should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/preconditions.h"
#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using std::chrono::hours;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace resources = kube::resources;

class FrozenTest : public ReconcilerTest {
 protected:
  void SetUp() override { run_cluster(); }

  // As it was, but for its status; and managed.
  void expect_running_with(std::string_view problem) {
    const Json set = object(resources::kStatefulSet, "demo-worker-1");
    ASSERT_TRUE(reconcile());
    EXPECT_EQ(status().phase, "Running") << problem;
    EXPECT_EQ(status().ready_nodes, "2/2") << problem;
    EXPECT_EQ(status().nodes.size(), 2U) << problem;
    EXPECT_EQ(condition(problem), "True") << problem;
    EXPECT_EQ(condition("Ready"), "True") << problem;
    EXPECT_FALSE(status().message.empty()) << problem;
    EXPECT_THAT(announced_, Contains(std::string(problem)));
    EXPECT_EQ(agents_.targets_.size(), 2U) << problem;
    EXPECT_EQ(object(resources::kStatefulSet, "demo-worker-1"), set) << problem;
  }
  void expect_well_without(std::string_view problem) {
    ASSERT_TRUE(reconcile());
    EXPECT_EQ(status().phase, "Running") << problem;
    EXPECT_EQ(condition(problem), "False") << problem;
    EXPECT_EQ(status().message, "") << problem;
  }
  std::string file(const std::string& secret, std::string_view name) {
    const Json stored = object(resources::kSecret, secret);
    return pki::base64_decode(base::get_object(stored, "data")->at(name).as_string()).value();
  }
  auto replicas() {
    return base::get_int(object(resources::kStatefulSet, "demo-master-1"), "spec.replicas");
  }
  // A pod of that revision whose agent has started.
  void start_pod_of_revision(const std::string& node, const char* revision) {
    put_pod_of_revision(node, revision);
    loop_.run([&] {
      Json pod = *server_->peek(resources::kPod, {"team-a", node + "-0"});
      set(pod, "status.containerStatuses",
          JsonArray{JsonObject{{"state", JsonObject{{"running", JsonObject()}}}}});
      server_->put(resources::kPod, pod);
    });
  }
};

TEST_F(FrozenTest, RunsOnWithAVersionThatThereIsNot) {
  edit("spec.kubernetes.version", "1.12");
  expect_running_with("UnsupportedVersion");
  edit("spec.kubernetes.version", "1.37");
  expect_well_without("UnsupportedVersion");
}

TEST_F(FrozenTest, RunsOnWithAVersionItCannotGoTo) {
  edit("status.version", "1.37.2");
  edit("spec.kubernetes.version", "1.36");
  expect_running_with("UnsupportedVersion");
  EXPECT_THAT(status().message, HasSubstr("the cluster runs 1.37.2"));
  edit("spec.kubernetes.version", "1.37");
  expect_well_without("UnsupportedVersion");
}

TEST_F(FrozenTest, RunsOnWithAnImageThatIsNotAllowed) {
  edit("spec.nodes.1.image", "elsewhere/vnode:v1.37.2");
  expect_running_with("NotAllowed");
  edit("spec.nodes.1.image", "");
  expect_well_without("NotAllowed");
}

TEST_F(FrozenTest, RunsOnWhenAHostNodeComesIntoItsNetwork) {
  world_.put(resources::kNode, base::parse_json(R"({"metadata":{"name":"new"},
                                                    "spec":{"podCIDR":"100.72.3.0/24"}})")
                                   .value());
  expect_running_with("NetworkConflict");
  world_.erase(resources::kNode, {"", "new"});
  expect_well_without("NetworkConflict");
}

TEST_F(FrozenTest, MakesNoNodeWhoseNameIsTakenAndKeepsTheOthers) {
  Json other = vk8s_object("other", "uid-other");
  set(other, "spec.nodes.0.name", "demo-worker-2");
  set(other, "metadata.creationTimestamp", "2025-01-01T00:00:00Z");
  world_.put(resources::kVk8s, other);
  add_worker("demo-worker-2");
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_EQ(condition("NodeNameConflict"), "True");
  EXPECT_EQ(status().ready_nodes, "2/3");
  ASSERT_EQ(status().nodes.size(), 3U);
  EXPECT_EQ(status().nodes[1].phase, "Ready");
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-worker-2").is_null());
  EXPECT_EQ(agents_.targets_.size(), 2U);
}

TEST_F(FrozenTest, GoesOnRenewingCertificatesAndTellsNodesNothingNew) {
  const std::string config = file("demo-worker-1-config", "node.json");
  const std::string certificate = file("demo-worker-1-config", "agent.crt");
  edit("spec.kubernetes.version", "1.12");
  edit("spec.network", JsonObject{{"upstreamDNS", JsonArray{"192.0.2.53"}}});
  now_ += hours(24 * 300);
  ASSERT_TRUE(reconcile());
  EXPECT_NE(file("demo-worker-1-config", "agent.crt"), certificate);
  EXPECT_EQ(file("demo-worker-1-config", "node.json"), config);
  edit("spec.kubernetes.version", "1.37");
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(file("demo-worker-1-config", "node.json"), HasSubstr("192.0.2.53"));
}

TEST_F(FrozenTest, IsPausedAndResumed) {
  edit("spec.kubernetes.version", "1.12");
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Paused");
  EXPECT_EQ(replicas(), 0);
  edit("spec.paused", false);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 1);
}

// Whatever keeps the rest from being written.
TEST_F(FrozenTest, IsPausedThoughTheHostRefusesAService) {
  Json service = object(resources::kService, "demo-peers");
  set(service, "spec.ports", JsonArray());
  loop_.run([&] { server_->put(resources::kService, service); });
  refuse("apply", resources::kService, "demo-peers", "no");
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 0);
  EXPECT_THAT(status().message, HasSubstr("no"));
  remove_pod("demo-master-1");
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Paused");
}

TEST_F(FrozenTest, DoesNotFailWhereANodeCannotBeRemoved) {
  remove_last_node();
  put_pod("demo-master-1", false);
  refuse("patch", resources::kStatefulSet, "demo-worker-1", "no");
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(status().message, HasSubstr("no"));
  EXPECT_EQ(status().phase, "Restarting");
}

TEST_F(FrozenTest, RemovesAWorkerAllTheSame) {
  edit("spec.kubernetes.version", "1.12");
  remove_last_node();
  ASSERT_TRUE(reconcile());
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-worker-1").is_null());
  EXPECT_EQ(status().ready_nodes, "1/1");
}

// Its StatefulSet comes into the cache after the spec has been cut to what is there.
TEST_F(FrozenTest, RemovesNoNodeThatIsInTheSpec) {
  edit("spec.kubernetes.version", "1.12");
  add_worker("demo-worker-2");
  addresses_.on_ensure_ = [this] {
    Json set_object = object(resources::kStatefulSet, "demo-worker-1");
    set(set_object, "metadata.name", "demo-worker-2");
    world_.put(resources::kStatefulSet, std::move(set_object));
  };
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(writes(), testing::Not(Contains(HasSubstr("StatefulSet demo-worker-2"))));
}

TEST_F(FrozenTest, ReplacesNoPod) {
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  edit("spec.kubernetes.version", "1.12");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null());
  edit("spec.kubernetes.version", "1.37");
  put_pod_of_revision("demo-worker-1", "old");
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
}

// The pause makes a new revision: for a while nobody knows of which the master's pod is.
TEST_F(FrozenTest, GoesBackToNoVersionThatOnlyItsKubeletStillHas) {
  start_pod_of_revision("demo-master-1", "new");
  agents_.reports_["demo-master-1"] = {true, false, "", 100, "v1.36.5"};
  ASSERT_TRUE(reconcile());
  ASSERT_THAT(status().version, testing::StartsWith("1.37."));
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(status().version, testing::StartsWith("1.37."));
  edit("spec.kubernetes.version", "1.36");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("UnsupportedVersion"), "True");
}

// The controller was away while the new version started, and its spec went back.
TEST_F(FrozenTest, GoesBackToNoVersionThatHasStartedUnseen) {
  edit("status.version", "1.36.3");
  const Json before = object(resources::kStatefulSet, "demo-master-1");
  start_pod_of_revision("demo-master-1", "new");
  edit("spec.kubernetes.version", "1.36");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("UnsupportedVersion"), "True");
  EXPECT_EQ(*base::find(object(resources::kStatefulSet, "demo-master-1"), "spec.template"),
            *base::find(before, "spec.template"));
  EXPECT_THAT(status().version, testing::StartsWith("1.37."));
}

// Frozen in the middle of a replacement.
TEST_F(FrozenTest, TakesBackANodeThatIsNotReplacedAfterAll) {
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-1"}})");
  put_inner(resources::kPod, R"({"metadata":{"namespace":"default","name":"stuck",
      "ownerReferences":[{"kind":"ReplicaSet","name":"w","controller":true}],
      "deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"nodeName":"demo-worker-1"}})");
  const auto is_cordoned = [this] {
    return base::get_bool(inner_object(resources::kNode, {"", "demo-worker-1"}),
                          "spec.unschedulable")
        .value_or(false);
  };
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(is_cordoned());
  edit("spec.nodes.1.image", "elsewhere/vnode:v1.37.2");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("NotAllowed"), "True");
  EXPECT_FALSE(is_cordoned());
  EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null());
}

TEST_F(FrozenTest, ShowsTheVersionThatRunsAndLetsAnUpgradeBeUndoneBeforeItBegins) {
  edit("spec.kubernetes.version", "1.36");
  ASSERT_TRUE(reconcile());
  start_pod_of_revision("demo-master-1", "new");
  start_pod_of_revision("demo-worker-1", "new");
  ASSERT_TRUE(reconcile());
  const std::string before = status().version;
  EXPECT_THAT(before, testing::StartsWith("1.36."));

  edit("spec.kubernetes.version", "1.37");
  put_pod_of_revision("demo-master-1", "old");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().version, before) << "its pod is the old one";
  put_pod_of_revision("demo-master-1", "new");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().version, before) << "its new pod has not started: it may lack its image";
  edit("spec.kubernetes.version", "1.36");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("UnsupportedVersion"), "");

  edit("spec.kubernetes.version", "1.37");
  ASSERT_TRUE(reconcile());
  start_pod_of_revision("demo-master-1", "new");
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(status().version, testing::StartsWith("1.37."));
  edit("spec.kubernetes.version", "1.36");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("UnsupportedVersion"), "True");
}

TEST_F(FrozenTest, MakesNoNewAuthorityWhereTheOldOneIsGone) {
  for (const char* secret : {"demo-pki", "demo-agent-ca"}) {
    const Json backup = object(resources::kSecret, secret);
    ASSERT_TRUE(client_.run_one(remove_request(resources::kSecret, {"team-a", secret}, {})));
    now_ += std::chrono::minutes(31);
    put_pod_of_revision("demo-worker-1", "old");
    put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-1"}})");
    const auto waiting = reconcile();
    ASSERT_TRUE(waiting);
    EXPECT_TRUE(waiting->again);
    EXPECT_TRUE(object(resources::kSecret, secret).is_null());
    EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
    EXPECT_EQ(status().phase, "Running");
    EXPECT_THAT(status().message, HasSubstr(std::string("Secret team-a/") + secret + " is gone"));
    EXPECT_THAT(status().message, HasSubstr("restore it from a backup"));
    EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null()) << "it would not come back";

    loop_.run([&] { server_->put(resources::kSecret, backup); });
    put_pod_of_revision("demo-worker-1", "new");
    expect_well_without("CertificateAuthorityLost");
    EXPECT_EQ(base::find(object(resources::kSecret, secret), "data")->as_object(),
              base::find(backup, "data")->as_object());
  }
}

TEST_F(FrozenTest, StopsForNoPasswordThatCannotBeMoved) {
  loop_.run([this] {
    server_->put(resources::kSecret, base::parse_json(R"({"metadata":{"namespace":"team-a",
        "name":"demo-kubeflow-password"}})")
                                         .value());
  });
  edit("spec.kubeflow", JsonObject{{"version", "1.4"}, {"password", "p"}});
  expect_running_with("NameConflict");
}

TEST_F(ReconcilerTest, BeginsNoClusterWhoseSpecCannotBeMet) {
  edit("spec.kubernetes.version", "1.12");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_EQ(status().ready_nodes, "0/2");
  EXPECT_EQ(status().nodes.size(), 2U);
  EXPECT_EQ(condition("UnsupportedVersion"), "True");
  EXPECT_THAT(writes(), IsEmpty());
}

}  // namespace
}  // namespace vk8s::controller
