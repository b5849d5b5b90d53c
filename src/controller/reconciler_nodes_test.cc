// How nodes leave a running cluster, and how their pods are replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
namespace resources = kube::resources;

const kube::ObjectKey kWorkerNode{"", "demo-worker-1"};

class NodesTest : public ReconcilerTest {
 protected:
  void SetUp() override {
    run_cluster();
    put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-1"}})");
    loop_.run([&] {
      inner_server_->set_raw([&](const kube::RawRequest& request) {
        evictions_.push_back(request.path);
        eviction_body_ = request.body;
        return kube::RawResponse{201, "{}"};
      });
    });
  }

  void put_inner_pod(const char* name, const char* more = "") {
    put_inner(resources::kPod, (std::string(R"({"metadata":{"namespace":"default","name":")") +
                                name + R"(")" + more + R"(},"spec":{"nodeName":"demo-worker-1"}})")
                                   .c_str());
  }
  bool has_set() { return !object(resources::kStatefulSet, "demo-worker-1").is_null(); }
  auto replicas() {
    return base::get_int(object(resources::kStatefulSet, "demo-worker-1"), "spec.replicas");
  }
  bool has_inner_node() { return !inner_object(resources::kNode, kWorkerNode).is_null(); }
  std::string pod_cidr(const std::string& node) {
    const Json set = object(resources::kStatefulSet, node);
    return std::string(
        base::get_object(set, "metadata.annotations")->at(kPodCidrAnnotation).as_string());
  }

  std::vector<std::string> evictions_;
  std::string eviction_body_;
};

TEST_F(NodesTest, DrainsANodeBeforeItLeaves) {
  put_inner_pod("web");
  put_inner(resources::kPod, R"({"metadata":{"namespace":"default","name":"elsewhere"},
                                 "spec":{"nodeName":"demo-master-1"}})");
  remove_last_node();
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(waiting->again);
  EXPECT_THAT(evictions_, ElementsAre("/api/v1/namespaces/default/pods/web/eviction"));
  EXPECT_EQ(condition("DrainingNode"), "True");
  EXPECT_EQ(replicas(), 1);
  EXPECT_EQ(base::get_bool(inner_object(resources::kNode, kWorkerNode), "spec.unschedulable"),
            true);

  remove_inner(resources::kPod, {"default", "web"});
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 0);
  EXPECT_THAT(status().message, HasSubstr("node demo-worker-1 leaves: waiting for its pod to end"));
  EXPECT_TRUE(has_inner_node()) << "its kubelet would make it anew";

  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_inner_node());
  EXPECT_FALSE(has_set());
  EXPECT_TRUE(object(resources::kSecret, "demo-worker-1-config").is_null());
}

TEST_F(NodesTest, EvictsAsTheClustersVersionKnowsIt) {
  edit("spec.kubernetes.version", "1.20");
  put_inner_pod("web");
  remove_last_node();
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(eviction_body_, HasSubstr(R"("apiVersion":"policy/v1beta1")"));
}

TEST_F(NodesTest, StopsANodeThatDoesNotDrainAfterAWhile) {
  put_inner_pod("stuck", R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")");
  remove_last_node();
  ASSERT_TRUE(reconcile());
  now_ += kDrainLimit - std::chrono::seconds(1);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 1);
  now_ += std::chrono::seconds(1);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 0);
  EXPECT_EQ(std::count(announced_.begin(), announced_.end(), "DrainTimedOut"), 1);
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_inner_node());
  EXPECT_FALSE(has_set());
  EXPECT_EQ(std::count(announced_.begin(), announced_.end(), "DrainTimedOut"), 1);
}

// The next worker must not be given the pod network of a Node that is still there.
TEST_F(NodesTest, KeepsTheStatefulSetOfANodeThatCannotBeDeletedInside) {
  const std::string cidr = pod_cidr("demo-worker-1");
  loop_.run([this] {
    inner_server_->set_hook([](const kube::FakeRequest& request) -> std::optional<Error> {
      return request.verb == "delete" ? std::optional(Error(Errc::kUnavailable, "no etcd"))
                                      : std::nullopt;
    });
  });
  remove_last_node();
  ASSERT_TRUE(reconcile());
  remove_pod("demo-worker-1");
  now_ += kDrainLimit * 2;
  ASSERT_TRUE(reconcile());
  EXPECT_THAT(status().message, HasSubstr("no etcd"));
  EXPECT_EQ(replicas(), 0);
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_GE(waiting->again, std::chrono::seconds(10));
  add_worker("demo-worker-2");
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(has_set());
  EXPECT_NE(pod_cidr("demo-worker-2"), cidr);
  loop_.run([this] { inner_server_->set_hook({}); });
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_inner_node());
  EXPECT_FALSE(has_set());
}

TEST_F(NodesTest, RemovesANodeOfAPausedClusterOnceItRunsAgain) {
  const std::string cidr = pod_cidr("demo-worker-1");
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  remove_pod("demo-master-1");
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  remove_last_node();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Paused");
  EXPECT_TRUE(has_set());
  EXPECT_THAT(status().message, HasSubstr("node demo-worker-1 leaves: waiting for the cluster"));

  edit("spec.paused", false);
  add_worker("demo-worker-2");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 0) << "it has left";
  EXPECT_EQ(base::get_int(object(resources::kStatefulSet, "demo-master-1"), "spec.replicas"), 1);
  EXPECT_NE(pod_cidr("demo-worker-2"), cidr);
  EXPECT_TRUE(has_inner_node());
  put_pod("demo-master-1", true);
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_inner_node());
  EXPECT_FALSE(has_set());
}

TEST_F(NodesTest, StopsANodeThatLeavesWhileTheClusterIsPaused) {
  edit("spec.paused", true);
  remove_last_node();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 0);
}

TEST_F(NodesTest, KeepsANodeThatComesBackBeforeItIsGone) {
  const Json whole = *base::find(object(resources::kVk8s, "demo"), "spec.nodes");
  edit("spec.paused", true);
  remove_last_node();
  ASSERT_TRUE(reconcile());
  edit("spec.paused", false);
  edit("spec.nodes", whole);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(replicas(), 1);
  EXPECT_TRUE(has_inner_node());
}

TEST_F(NodesTest, DrainsThoughPortsCannotBeOpened) {
  edit("spec.ports",
       JsonArray{JsonObject{{"name", "web"}, {"port", 80}, {"service", "default/web"}}});
  remove_last_node();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PortsNotOpen"), "True");
  EXPECT_EQ(condition("DrainingNode"), "True");
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_set());
  EXPECT_EQ(condition("PortsNotOpen"), "True");
  EXPECT_EQ(condition("DrainingNode"), "False");
}

// As with a quota that is full because the old one is still there.
TEST_F(NodesTest, DrainsThoughTheHostRefusesTheNodesSuccessor) {
  remove_last_node();
  add_worker("demo-worker-2");
  refuse("dry-run", resources::kPod, "demo-worker-2-0", "exceeded quota: pods");
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_EQ(condition("PodRefused"), "True");
  EXPECT_THAT(status().message, HasSubstr("exceeded quota: pods"));
  EXPECT_EQ(replicas(), 0) << "the drain goes on";
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-worker-2").is_null());
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(has_set());
  refuse("dry-run", resources::kPod, "demo-worker-2-0", "");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-worker-2").is_null());
  EXPECT_EQ(condition("PodRefused"), "False");
}

TEST_F(NodesTest, EmptiesANodeBeforeItIsReplacedAndTakesItBack) {
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  put_inner_pod("web",
                R"(,"ownerReferences":[{"kind":"ReplicaSet","name":"web","controller":true}])");
  put_inner_pod("bare");
  const auto waiting = reconcile();
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(waiting->again);
  EXPECT_EQ(status().phase, "Running");
  EXPECT_THAT(status().message, HasSubstr("node demo-worker-1 is replaced: waiting for 1 pod"));
  EXPECT_THAT(evictions_, ElementsAre("/api/v1/namespaces/default/pods/web/eviction"));
  EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null());
  EXPECT_EQ(base::get_bool(inner_object(resources::kNode, kWorkerNode), "spec.unschedulable"),
            true);

  remove_inner(resources::kPod, {"default", "web"});
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
  put_pod_of_revision("demo-worker-1", "new");
  ASSERT_TRUE(reconcile());
  const Json node = inner_object(resources::kNode, kWorkerNode);
  EXPECT_EQ(base::find(node, "spec.unschedulable"), nullptr);
  EXPECT_TRUE(base::get_object(node, "metadata.annotations")->empty());
  EXPECT_EQ(status().message, "");
}

TEST_F(NodesTest, ReplacesNodesThoughTheHostRefusesANewOne) {
  add_worker("demo-worker-2");
  refuse("dry-run", resources::kPod, "demo-worker-2-0", "exceeded quota: pods");
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PodRefused"), "True");
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
}

TEST_F(NodesTest, LeavesANodeCordonedThatItsOwnerHadCordoned) {
  put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-1"},
                                  "spec":{"unschedulable":true}})");
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
  put_pod_of_revision("demo-worker-1", "new");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(base::get_bool(inner_object(resources::kNode, kWorkerNode), "spec.unschedulable"),
            true);
  EXPECT_FALSE(
      base::get_object(object(resources::kStatefulSet, "demo-worker-1"), "metadata.annotations")
          ->contains(kDrainingAnnotation));
}

// One node at a time is emptied.
TEST_F(NodesTest, ReplacesNoNodeWhileAnotherIsDrainedForGood) {
  add_worker("demo-worker-2");
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "new");
  ASSERT_TRUE(reconcile());
  put_pod_of_revision("demo-worker-2", "new");
  put_inner(resources::kNode, R"({"metadata":{"name":"demo-worker-2"}})");
  put_inner(resources::kPod, R"({"metadata":{"namespace":"default","name":"web"},
                                 "spec":{"nodeName":"demo-worker-2"}})");
  remove_last_node();
  put_pod_of_revision("demo-worker-1", "old");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("DrainingNode"), "True");
  EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null());
  EXPECT_FALSE(base::get_bool(inner_object(resources::kNode, kWorkerNode), "spec.unschedulable"));
  remove_inner(resources::kPod, {"default", "web"});
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
}

TEST_F(NodesTest, ReplacesANodeThatDoesNotEmptyAfterAWhile) {
  put_pod_of_revision("demo-master-1", "new");
  put_pod_of_revision("demo-worker-1", "old");
  put_inner_pod("stuck", R"(,"ownerReferences":[{"kind":"ReplicaSet","name":"w","controller":true}],
                            "deletionTimestamp":"2026-01-01T00:00:00Z")");
  ASSERT_TRUE(reconcile());
  now_ += kDrainLimit - std::chrono::seconds(1);
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kPod, "demo-worker-1-0").is_null());
  now_ += std::chrono::seconds(1);
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kPod, "demo-worker-1-0").is_null());
}

}  // namespace
}  // namespace vk8s::controller
