// What a reconcile does with add-ons.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class AddonsTest : public ReconcilerTest {
 protected:
  void say(const char* phase) {
    addons_.report_.kubeflow = api::AddonStatus{"", phase, "2.0", "words", 40, {}};
  }
};

TEST_F(AddonsTest, AsksNothingForAClusterWithoutThem) {
  run_cluster();
  EXPECT_FALSE(addons_.can_work_);
  EXPECT_FALSE(addons_.adopted_);
  EXPECT_EQ(condition("KubeflowReady"), "");
  EXPECT_EQ(condition("AddonsReady"), "");
}

TEST_F(AddonsTest, WorksOnceTheMasterIsReadyAndWithARightOfItsOwn) {
  say("Pending");
  edit("spec.kubeflow", JsonObject());
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(addons_.adopted_);
  EXPECT_EQ(addons_.can_work_, false);
  put_pod("demo-master-1", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(addons_.can_work_, true);
}

TEST_F(AddonsTest, GetsItsRightInAClusterThatRunsAlready) {
  run_cluster();
  say("Pending");
  edit("spec.kubeflow", JsonObject());
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(addons_.adopted_);
  EXPECT_EQ(addons_.can_work_, true);
}

TEST_F(AddonsTest, ReadsAPasswordOnlyWhereThereIsALogin) {
  say("Pending");
  edit("spec.kubeflow", JsonObject());
  run_cluster();
  EXPECT_FALSE(addons_.login_);
  addons_.wants_login_ = true;
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  ASSERT_TRUE(addons_.login_);
  EXPECT_EQ(addons_.login_->trouble, "");
  EXPECT_EQ(addons_.login_->source, "Secret demo-kubeflow-password (key password)");
  const auto content = parse_secret(object(kube::resources::kSecret, "demo-kubeflow-password"));
  ASSERT_TRUE(content);
  EXPECT_EQ(content->files.at("password"), addons_.login_->password);
  EXPECT_EQ(outcome->again, std::chrono::minutes(10)) << "nobody watches Secrets";
}

TEST_F(AddonsTest, AsksAgainSoonWhereTheSecretCannotBeRead) {
  say("Pending");
  edit("spec.kubeflow", {{"passwordSecretRef", {{"name", "mine"}}}});
  run_cluster();
  addons_.wants_login_ = true;
  loop_.run([&] {
    server_->fail_next("get", kube::resources::kSecret, Error(Errc::kUnavailable, "it is away"));
  });
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(addons_.login_);
  EXPECT_EQ(outcome->again, std::chrono::seconds(15));
}

TEST_F(AddonsTest, LooksSoonForASecretThatIsNotThere) {
  say("Pending");
  edit("spec.kubeflow", {{"passwordSecretRef", {{"name", "mine"}}}});
  addons_.wants_login_ = true;
  run_cluster();
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_THAT(addons_.login_->trouble, HasSubstr("passwordSecretRef.name \"mine\": there is no"));
  EXPECT_EQ(outcome->again, std::chrono::seconds(15));
}

TEST_F(AddonsTest, TellsEachPhaseOnceInStatusConditionAndEvent) {
  edit("spec.kubeflow", JsonObject());
  run_cluster();
  say("Blocked");
  addons_.report_.kubeflow->version.clear();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().kubeflow, addons_.report_.kubeflow);
  EXPECT_EQ(api::find_condition(status().conditions, "KubeflowReady")->reason, "Blocked");
  EXPECT_EQ(api::find_condition(status().conditions, "KubeflowReady")->message, "words");
  EXPECT_EQ(status().phase, "Running") << "a cluster runs without them";
  EXPECT_THAT(announced_, Contains("KubeflowBlocked"));
  EXPECT_EQ(announcement_, "Kubeflow is Blocked: words");
  announced_.clear();
  addons_.report_.kubeflow->progress = 41;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().kubeflow->progress, 41);
  EXPECT_THAT(announced_, Not(Contains("KubeflowBlocked")));
  say("Ready");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("KubeflowReady"), "True");
  EXPECT_THAT(announced_, Contains("KubeflowReady"));
  EXPECT_THAT(announcement_, HasSubstr("Kubeflow 2.0 is Ready"));
}

TEST_F(AddonsTest, ForgetsKubeflowOnlyWhenNothingIsLeftOfIt) {
  edit("spec.kubeflow", JsonObject());
  say("Ready");
  run_cluster();
  edit("spec", *base::find(vk8s_object(), "spec"));
  say("Removing");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().kubeflow->phase, "Removing");
  addons_.report_.kubeflow.reset();
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(status().kubeflow);
  EXPECT_EQ(condition("KubeflowReady"), "False");
  addons_.can_work_.reset();
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(addons_.can_work_) << "nothing is asked any more";
}

TEST_F(AddonsTest, StopsThemWithAPausedClusterAndDropsThemWithADeletedOne) {
  edit("spec.kubeflow", JsonObject());
  say("Ready");
  run_cluster();
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(addons_.can_work_, false);
  EXPECT_EQ(api::find_condition(status().conditions, "KubeflowReady")->reason, "Paused");
  edit("metadata.deletionTimestamp", "2026-01-02T00:00:00Z");
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(addons_.forgotten_);
}

TEST_F(AddonsTest, SaysThatNobodyKnowsWhileTheControlPlaneIsAway) {
  edit("spec.kubeflow", JsonObject());
  edit("spec.addons", JsonArray{JsonObject{{"name", "metrics-server"}}});
  say("Ready");
  addons_.report_.addons = {{"metrics-server", "Ready", "1", "", 100, {}}};
  run_cluster();
  ASSERT_EQ(condition("KubeflowReady"), "True");
  put_pod("demo-master-1", false);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("AddonsReady"), "Unknown");
  const api::Vk8sStatus told = status();
  const auto* ready = api::find_condition(told.conditions, "KubeflowReady");
  EXPECT_EQ(ready->status, api::ConditionStatus::kUnknown);
  EXPECT_EQ(ready->reason, "ControlPlaneNotReady");
  EXPECT_EQ(ready->message, "it cannot be looked at: see ControlPlaneReady; it was Ready");
  say("Blocked");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("KubeflowReady"), "False") << "what blocks is known";
}

TEST_F(AddonsTest, NamesTheAddOnThatOthersWaitFor) {
  edit("spec.addons",
       JsonArray{JsonObject{{"name", "cert-manager"}}, JsonObject{{"name", "metrics-server"}}});
  run_cluster();
  addons_.report_.addons = {
      {"cert-manager", "Ready", "1", "", 100, {}},
      {"metrics-server", "Installing", "1", "", 50, {{"server", false, "0 of 1 pods"}}}};
  ASSERT_TRUE(reconcile());
  const api::Vk8sStatus told = status();
  const auto* ready = api::find_condition(told.conditions, "AddonsReady");
  ASSERT_NE(ready, nullptr);
  EXPECT_EQ(ready->reason, "Installing");
  EXPECT_EQ(ready->message, "metrics-server: 50 %: server: 0 of 1 pods");
  addons_.report_.addons[1].phase = "Ready";
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("AddonsReady"), "True");
}

}  // namespace
}  // namespace vk8s::controller
