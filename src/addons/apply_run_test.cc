#include "addons/apply_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"
#include "addons/install_status.h"

namespace vk8s::addons {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using testing::FakeSite;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Progress = ItemState::Progress;
namespace resources = kube::resources;

class ApplyRunTest : public ::testing::Test {
 protected:
  void start(const std::string& yaml = testing::kDemo) {
    run_.reset();
    plan_ = testing::plan_of(yaml);
    run_ = std::make_unique<ApplyRun>(site_.timers, site_.client, plan_, "demo", ApplyRunOptions{},
                                      Log::silent(), [this] { ++changes_; });
    run_->start();
    site_.settle();
  }
  std::size_t item(const std::string& kind, const std::string& name) const {
    return testing::item_of(*plan_, kind, name);
  }
  const ItemState& state(const std::string& kind, const std::string& name) const {
    return run_->items()[item(kind, name)];
  }
  InstallStatus status() const { return status_of(*plan_, *run_); }
  // Of the component that has one.
  std::string message() const {
    for (const ComponentStatus& component : status().components) {
      if (!component.message.empty()) {
        return component.message;
      }
    }
    return "";
  }

  FakeSite site_;
  std::shared_ptr<const Plan> plan_;
  int changes_ = 0;
  std::unique_ptr<ApplyRun> run_;
};

TEST_F(ApplyRunTest, AppliesEachObjectOnceWhatItNeedsIsThere) {
  start();
  EXPECT_THAT(site_.writes(),
              UnorderedElementsAre(
                  "apply Namespace demo", "apply CustomResourceDefinition things.example.org",
                  "apply Service server", "apply ConfigMap settings", "apply Deployment server"));
  site_.establish("things.example.org");
  site_.roll_out("server");
  EXPECT_FALSE(site_.has(testing::kMutatingConfiguration, "things"))
      << "before its Service has an endpoint";
  site_.add_endpoint("server");
  EXPECT_TRUE(site_.has(testing::kMutatingConfiguration, "things"));
  EXPECT_FALSE(site_.has(testing::kThing, "thing")) << "before its webhook can be called";
  EXPECT_FALSE(run_->is_applied());
  site_.inject_ca("things");
  EXPECT_TRUE(site_.has(testing::kThing, "thing"));
  EXPECT_TRUE(run_->is_applied());
  EXPECT_TRUE(run_->is_ready());
  EXPECT_EQ(site_.writes().size(), 7U) << "nothing was written twice";
  EXPECT_EQ(site_.client.running_watches(), 4) << "CRDs, Deployments, webhooks, endpoints";
}

TEST_F(ApplyRunTest, SaysWhatEachObjectWaitsFor) {
  start();
  EXPECT_THAT(run_->describe_wait(item("Thing", "thing")),
              HasSubstr("waits for CustomResourceDefinition things.example.org: it is not "
                        "Established"));
  site_.establish("things.example.org");
  EXPECT_THAT(run_->describe_wait(item("Thing", "thing")),
              HasSubstr("waits for MutatingWebhookConfiguration things"));
  EXPECT_THAT(run_->describe_wait(item("MutatingWebhookConfiguration", "things")),
              HasSubstr("waits for a ready endpoint of Service demo/server"));
  EXPECT_EQ(status().phase, InstallPhase::kInstalling);
  EXPECT_LT(status().progress, 100);
}

TEST_F(ApplyRunTest, OnlyWhatFailedIsTriedAgain) {
  site_.client.fail_next("apply", resources::kConfigMap, {Errc::kUnavailable, "overloaded"}, 2);
  start();
  EXPECT_EQ(state("ConfigMap", "settings").progress, Progress::kBackingOff);
  EXPECT_FALSE(state("ConfigMap", "settings").is_refused);
  site_.timers.advance(seconds(2));
  EXPECT_EQ(state("ConfigMap", "settings").progress, Progress::kApplied);
  EXPECT_EQ(site_.count("apply", "ConfigMap"), 3U);
  EXPECT_EQ(site_.count("apply", "Service"), 1U);
  EXPECT_EQ(site_.count("apply", "Namespace"), 1U);
}

TEST_F(ApplyRunTest, WhatIsRefusedIsReportedAndTriedAgainOnlyMuchLater) {
  site_.client.fail_next("apply", resources::kConfigMap,
                         {Errc::kInvalidArgument, "data: Invalid value"}, 1);
  start();
  site_.run_demo();
  EXPECT_TRUE(state("ConfigMap", "settings").is_refused);
  EXPECT_TRUE(site_.has(testing::kThing, "thing")) << "what does not need it goes on";
  EXPECT_EQ(status().phase, InstallPhase::kFailed);
  EXPECT_THAT(message(), HasSubstr("data: Invalid value"));
  site_.timers.advance(minutes(4));
  EXPECT_EQ(site_.count("apply", "ConfigMap"), 1U);
  site_.timers.advance(minutes(3));
  EXPECT_EQ(site_.count("apply", "ConfigMap"), 2U);
  EXPECT_EQ(status().phase, InstallPhase::kReady);
  EXPECT_EQ(status().progress, 100);
}

TEST_F(ApplyRunTest, ASuccessorFindsAllDoneAndWritesNothing) {
  start();
  site_.run_demo();
  ASSERT_TRUE(run_->is_ready());
  site_.client.clear_requests();
  start();
  EXPECT_TRUE(run_->is_ready());
  EXPECT_THAT(site_.writes(), IsEmpty());
}

TEST_F(ApplyRunTest, DoesNotLookForWhatCannotBeThere) {
  start();
  EXPECT_EQ(site_.count("get", "Service"), 0U) << "its Namespace has only just been made";
  EXPECT_EQ(site_.count("get", "ConfigMap"), 1U) << "controllers make some by themselves";
  EXPECT_EQ(site_.count("get", "Namespace"), 1U);
}

TEST_F(ApplyRunTest, AWebhookThatGetsNoAuthorityHoldsNobodyUpForEver) {
  start();
  site_.establish("things.example.org");
  site_.roll_out("server");
  site_.add_endpoint("server");
  site_.timers.advance(seconds(29));
  EXPECT_FALSE(site_.has(testing::kThing, "thing"));
  site_.timers.advance(seconds(2));
  EXPECT_TRUE(site_.has(testing::kThing, "thing"));
  EXPECT_FALSE(run_->is_ready());
  EXPECT_THAT(message(), HasSubstr("nobody has filled in the caBundle of things.example.org"));
}

TEST_F(ApplyRunTest, BringsBackWhatSomebodyHasDeleted) {
  start();
  site_.run_demo();
  bool is_removed = false;
  const kube::Call call = site_.client.remove(
      resources::kDeployment, {"demo", "server"}, {},
      [&is_removed](const Result<Json>& removed) { is_removed = removed.has_value(); });
  site_.settle();
  ASSERT_TRUE(is_removed);
  EXPECT_TRUE(site_.has(resources::kDeployment, "server"));
  EXPECT_EQ(site_.count("apply", "Deployment"), 2U);
  EXPECT_FALSE(run_->is_ready()) << "it has to be rolled out again";
  site_.roll_out("server");
  EXPECT_TRUE(run_->is_ready());
}

TEST_F(ApplyRunTest, FollowsReadinessForAsLongAsItLives) {
  start();
  site_.run_demo();
  site_.change(resources::kDeployment, {"demo", "server"},
               [](JsonObject& object) { object["status"].as_object()["availableReplicas"] = 0; });
  EXPECT_FALSE(run_->is_ready());
  EXPECT_THAT(message(), HasSubstr("Deployment demo/server: 0 of 1 pods are up to date"));
  EXPECT_EQ(status().phase, InstallPhase::kInstalling);
}

TEST_F(ApplyRunTest, WaitsForANamespaceThatIsGoing) {
  site_.client.put(resources::kNamespace, testing::object_of(R"(
apiVersion: v1
kind: Namespace
metadata: {name: demo, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [kubernetes]}
)"));
  start();
  EXPECT_FALSE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_THAT(run_->describe_wait(item("ConfigMap", "settings")),
              HasSubstr("it is being deleted and waits for kubernetes"));
  EXPECT_EQ(state("Namespace", "demo").is_refused, false);
}

TEST_F(ApplyRunTest, UsesAForeignDefinitionAndSaysSo) {
  site_.client.put(resources::kCustomResourceDefinition, testing::object_of(R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec: {versions: [{name: v1, served: true}, {name: v2, served: true}]}
status: {conditions: [{type: Established, status: 'True'}]}
)"));
  start();
  EXPECT_TRUE(state("CustomResourceDefinition", "things.example.org").is_foreign);
  site_.roll_out("server");
  site_.add_endpoint("server");
  site_.inject_ca("things");
  EXPECT_TRUE(run_->is_ready());
  EXPECT_THAT(site_.writes(), Not(Contains("apply CustomResourceDefinition things.example.org")));
  EXPECT_THAT(message(), HasSubstr("it is not of this add-on, and serves the same versions"));
}

TEST_F(ApplyRunTest, AForeignDefinitionOfOtherVersionsHoldsUpItsObjectsOnly) {
  site_.client.put(resources::kCustomResourceDefinition, testing::object_of(R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec: {versions: [{name: v1alpha1, served: true}]}
)"));
  start();
  site_.roll_out("server");
  site_.add_endpoint("server");
  site_.inject_ca("things");
  EXPECT_EQ(status().phase, InstallPhase::kFailed);
  EXPECT_FALSE(site_.has(testing::kThing, "thing"));
  EXPECT_TRUE(state("Deployment", "server").is_ready);
  EXPECT_THAT(state("CustomResourceDefinition", "things.example.org").error->message(),
              HasSubstr("it is there already and not of this add-on"));
}

TEST_F(ApplyRunTest, HasNoMoreThanSoManyUnderWay) {
  std::string yaml;
  for (int i = 0; i < 40; ++i) {
    yaml += fmt::format(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: "
        "r{}}}\n",
        i);
  }
  plan_ = testing::plan_of(yaml);
  run_ = std::make_unique<ApplyRun>(
      site_.timers, site_.client, plan_, "demo", ApplyRunOptions{.max_in_flight = 8}, Log::silent(),
      [this] {
        const auto busy =
            std::count_if(run_->items().begin(), run_->items().end(),
                          [](const ItemState& one) { return one.progress == Progress::kBusy; });
        EXPECT_LE(busy, 8);
        ++changes_;
      });
  run_->start();
  site_.settle();
  EXPECT_TRUE(run_->is_ready());
  EXPECT_GT(changes_, 1);
}

TEST_F(ApplyRunTest, StatusHoldsABoundedNumberOfComponents) {
  std::string yaml;
  for (int i = 0; i < 100; ++i) {
    yaml += fmt::format(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: r{}, "
        "labels: {{app: a{:03}}}}}\n",
        i, i);
  }
  start(yaml);
  ASSERT_EQ(status().components.size(), kMaxComponents);
  EXPECT_EQ(status().components.back().name, "others");
  EXPECT_TRUE(status().components.back().is_ready);
  const Json json = to_json(status());
  EXPECT_EQ(base::get_string(json, "phase"), "Ready");
  EXPECT_EQ(base::get_int(json, "progress"), 100);
  EXPECT_EQ(base::get_array(json, "components")->size(), kMaxComponents);
}

}  // namespace
}  // namespace vk8s::addons
