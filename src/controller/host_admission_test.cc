// What the host has against pods, volumes and ports, before they exist and afterwards.
#include "controller/host_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
namespace resources = kube::resources;

class HostAdmissionTest : public ReconcilerTest {
 protected:
  Json annotations(const std::string& node) {
    const Json set = object(resources::kStatefulSet, node);
    return *base::find(set, "metadata.annotations");
  }
  auto dry_runs() {
    const auto all = requests();
    return std::count_if(all.begin(), all.end(),
                         [](const auto& request) { return request.verb == "dry-run"; });
  }
};

TEST_F(HostAdmissionTest, BeginsNoClusterWhoseVolumeIsRefused) {
  refuse("dry-run", resources::kPersistentVolumeClaim, "data-demo-master-1-0",
         "exceeded quota: requests.storage");
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->again);
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_EQ(condition("VolumeRefused"), "True");
  EXPECT_THAT(status().message, StartsWith("node demo-master-1: "));
  EXPECT_THAT(status().message, HasSubstr("exceeded quota: requests.storage"));
  EXPECT_TRUE(object(resources::kService, "demo").is_null());
  EXPECT_TRUE(object(resources::kSecret, "demo-pki").is_null());
  refuse("dry-run", resources::kPersistentVolumeClaim, "", "");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Installing");
}

TEST_F(HostAdmissionTest, BeginsNoClusterWhosePortIsTaken) {
  edit("spec.ports", JsonArray{JsonObject{{"port", 80}, {"nodePort", 30071}}});
  refuse("dry-run", resources::kService, "demo-ports", "provided port is already allocated");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_EQ(condition("PortsNotOpen"), "True");
  EXPECT_THAT(status().message, StartsWith("spec.ports: "));
  EXPECT_THAT(status().message, HasSubstr("provided port is already allocated"));
  EXPECT_THAT(writes(), testing::Each(StartsWith("dry-run")));
  refuse("dry-run", resources::kService, "", "");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kService, "demo-ports").is_null());
}

// The API server takes a port twice before it sees that the Service is there.
TEST_F(HostAdmissionTest, GoesOnWithAHalfBegunClusterThatHasItsPort) {
  edit("spec.ports", JsonArray{JsonObject{{"port", 80}, {"nodePort", 30071}}});
  refuse("create", resources::kStatefulSet, "demo-master-1", "no");
  ASSERT_TRUE(reconcile());
  ASSERT_FALSE(object(resources::kService, "demo-ports").is_null());
  ASSERT_TRUE(object(resources::kStatefulSet, "demo-master-1").is_null());
  refuse("dry-run", resources::kService, "demo-ports", "provided port is already allocated");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-master-1").is_null());
  EXPECT_EQ(status().phase, "Installing");
  EXPECT_EQ(condition("PortsNotOpen"), "");
}

// Quota speaks before the API server sees that the claim is there.
TEST_F(HostAdmissionTest, MindsNoRefusalOfAVolumeThatIsThere) {
  bool takes_pods = false;
  loop_.run([&] {
    server_->put(resources::kPersistentVolumeClaim, base::parse_json(R"({"metadata":{
        "namespace":"team-a","name":"data-demo-master-1-0"}})")
                                                        .value());
    server_->set_hook([&takes_pods](const kube::FakeRequest& request) -> std::optional<Error> {
      const bool is_it =
          request.verb == "dry-run" && (request.key.name == "data-demo-master-1-0" ||
                                        (request.key.name == "demo-master-1-0" && !takes_pods));
      return is_it ? std::optional(Error(Errc::kForbidden, "exceeded quota")) : std::nullopt;
    });
  });
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PodRefused"), "True");
  EXPECT_EQ(condition("VolumeRefused"), "");
  takes_pods = true;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Installing");
}

// Source: k8s.io/apiserver pkg/admission/plugin/webhook/errors, NewDryRunUnsupportedErr.
// As after `kubectl delete statefulset --cascade=orphan` where the quota is used up.
TEST_F(HostAdmissionTest, MindsNoRefusalOfAPodThatIsThere) {
  put_pod("demo-master-1", true);
  refuse("dry-run", resources::kPod, "demo-master-1-0", "exceeded quota: pods");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PodRefused"), "");
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-master-1").is_null());
}

// A cluster that never was whole does not "go on".
TEST_F(HostAdmissionTest, FailsWhereOneOfItsNodesIsRefusedAndSaysSoAsLongAsItIs) {
  refuse("create", resources::kStatefulSet, "demo-worker-1", "exceeded quota: statefulsets");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reconcile());
    EXPECT_EQ(status().phase, "Fail") << i;
    EXPECT_THAT(status().message, HasSubstr("exceeded quota: statefulsets"));
  }
  ASSERT_FALSE(object(resources::kStatefulSet, "demo-master-1").is_null());
}

TEST_F(HostAdmissionTest, TakesAWebhookThatKnowsNoDryRunsForNoRefusal) {
  refuse("dry-run", resources::kPod, "demo-master-1-0",
         "admission webhook \"x\" does not support dry run (400 BadRequest)");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Installing");
}

TEST_F(HostAdmissionTest, LetsAPortThatIsTakenKeepNoNodeWaiting) {
  run_cluster();
  edit("spec.ports", JsonArray{JsonObject{{"port", 80}, {"nodePort", 30071}}});
  add_worker("demo-worker-2");
  refuse("create", resources::kService, "demo-ports", "provided port is already allocated");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PortsNotOpen"), "True");
  EXPECT_FALSE(object(resources::kStatefulSet, "demo-worker-2").is_null());
  put_pod("demo-worker-2", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Running");
  EXPECT_THAT(status().message, HasSubstr("provided port is already allocated"));
  refuse("create", resources::kService, "", "");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PortsNotOpen"), "False");
  EXPECT_FALSE(object(resources::kService, "demo-ports").is_null());
}

TEST_F(HostAdmissionTest, TellsWhyAPodDoesNotComeBack) {
  run_cluster();
  remove_pod("demo-worker-1");
  refuse("dry-run", resources::kPod, "demo-worker-1-0", "violates PodSecurity");
  const auto soon = reconcile();
  ASSERT_TRUE(soon);
  EXPECT_EQ(soon->again, kPodPatience);
  EXPECT_EQ(condition("PodRefused"), "") << "its StatefulSet may be at it";

  now_ += kPodPatience;
  const auto refused = reconcile();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->again, kPodInterval);
  EXPECT_EQ(condition("PodRefused"), "True");
  EXPECT_EQ(status().phase, "Restarting") << "the others run";
  EXPECT_THAT(status().message, StartsWith("node demo-worker-1: "));
  EXPECT_THAT(status().message, HasSubstr("violates PodSecurity"));
  EXPECT_EQ(status().nodes[1].phase, "Failing");
  EXPECT_EQ(status().nodes[1].message, status().message);

  refuse("dry-run", resources::kPod, "", "");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PodRefused"), "True") << "not asked again before its time";
  now_ += kPodInterval;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("PodRefused"), "False");
  EXPECT_TRUE(annotations("demo-worker-1").as_object().contains(kWokenAnnotation));
  put_pod("demo-worker-1", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Running");
}

TEST_F(HostAdmissionTest, TellsWhyAPausedClusterDoesNotComeBack) {
  run_cluster();
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  remove_pod("demo-master-1");
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  now_ += std::chrono::hours(1);
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(dry_runs(), 0) << "no pod is wanted";
  edit("spec.paused", false);
  refuse("dry-run", resources::kPod, "demo-master-1-0", "exceeded quota: limits.memory");
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  now_ += kPodPatience;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_THAT(status().message, HasSubstr("exceeded quota: limits.memory"));
}

TEST_F(HostAdmissionTest, TellsWhyAVolumeDoesNotCome) {
  ASSERT_TRUE(reconcile());
  ASSERT_TRUE(reconcile());
  refuse("dry-run", resources::kPersistentVolumeClaim, "data-demo-worker-1-0", "too large");
  now_ += kPodPatience;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("VolumeRefused"), "True");
}

TEST_F(HostAdmissionTest, AsksNothingAboutPodsThatCome) {
  run_cluster();
  now_ += std::chrono::hours(1);
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(dry_runs(), 0);
  // Nor about one that was away before.
  remove_pod("demo-worker-1");
  ASSERT_TRUE(reconcile());
  put_pod("demo-worker-1", true);
  ASSERT_TRUE(reconcile());
  remove_pod("demo-worker-1");
  now_ += kPodPatience;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(dry_runs(), 0);
}

}  // namespace
}  // namespace vk8s::controller
