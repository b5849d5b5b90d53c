#include "addons/uninstaller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"
#include "addons/installer.h"

namespace vk8s::addons {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::FakeSite;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace resources = kube::resources;

class UninstallerTest : public ::testing::Test {
 protected:
  void install(const std::string& yaml = testing::kDemo) {
    Installer installer(site_.timers, site_.client, testing::plan_of(yaml), {.set_name = "demo"},
                        Log::silent(), [] {});
    installer.start();
    site_.settle();
    site_.run_demo();
    ASSERT_TRUE(installer.status().is_settled);
    site_.client.clear_requests();
  }
  void start(bool delete_data = false) {
    uninstaller_.reset();
    uninstaller_ = std::make_unique<Uninstaller>(
        site_.timers, site_.client,
        UninstallerOptions{.set_name = "demo", .remove = {.removal = {.delete_data = delete_data}}},
        Log::silent(), [this] { ++changes_; });
    uninstaller_->start();
    site_.settle();
  }
  const InstallStatus& status() const { return uninstaller_->status(); }
  std::vector<std::string> deletions() const {
    std::vector<std::string> out;
    for (const kube::FakeRequest& request : site_.client.requests()) {
      if (request.verb == "delete") {
        out.push_back(request.resource.kind);
      }
    }
    return out;
  }

  FakeSite site_;
  int changes_ = 0;
  std::unique_ptr<Uninstaller> uninstaller_;
};

TEST_F(UninstallerTest, TakesAwayEveryKindAfterThoseThatNeedIt) {
  install();
  start();
  EXPECT_EQ(status().phase, InstallPhase::kRemoving);
  site_.timers.advance(minutes(1));
  ASSERT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_TRUE(status().is_settled);
  EXPECT_EQ(status().message, "");
  auto order = deletions();
  ASSERT_EQ(order.size(), 8U);
  std::sort(order.begin() + 3, order.begin() + 5);  // of one rank
  EXPECT_THAT(order, ElementsAre("Thing", "MutatingWebhookConfiguration", "Deployment", "ConfigMap",
                                 "Service", "CustomResourceDefinition", "Namespace", "ConfigMap"))
      << "the inventory goes last";
  start();
  EXPECT_EQ(status().phase, InstallPhase::kRemoved) << "of what is not there";
}

TEST_F(UninstallerTest, WaitsForFinalizersAndNamesThem) {
  install();
  site_.change(testing::kThing, {"demo", "thing"}, [](JsonObject& object) {
    object["metadata"].as_object()["finalizers"] = JsonArray{"example.org/clean-up"};
  });
  start();
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kRemoving);
  EXPECT_EQ(status().message,
            "Thing demo/thing: it is being deleted and waits for example.org/clean-up");
  EXPECT_THAT(deletions(), ElementsAre("Thing")) << "its controller is needed still";
  const kube::Call call = site_.client.merge_patch(
      testing::kThing, {"demo", "thing"},
      JsonObject{{"metadata", JsonObject{{"finalizers", nullptr}}}}, [](const auto&) {});
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kRemoved);
}

TEST_F(UninstallerTest, KeepsDataAndWhatHoldsItUntilToldOtherwise) {
  install(std::string(testing::kDemo) + R"(
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: demo}
)");
  site_.client.put(testing::kThing, testing::object_of(R"(
apiVersion: example.org/v1
kind: Thing
metadata: {name: mine, namespace: team-a}
)"));
  start();
  site_.timers.advance(minutes(5));
  ASSERT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_THAT(status().message,
              HasSubstr("PersistentVolumeClaim demo/data is kept: it holds data"));
  EXPECT_THAT(status().message, HasSubstr("CustomResourceDefinition things.example.org is kept: "
                                          "objects of its kind are left"));
  EXPECT_THAT(status().message, HasSubstr("Namespace demo is kept: a volume claim is left in it"));
  EXPECT_FALSE(site_.has(resources::kDeployment, "server"));
  start(true);
  site_.timers.advance(minutes(1));
  ASSERT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_EQ(status().message, "");
  EXPECT_FALSE(site_.has(resources::kPersistentVolumeClaim, "data"));
  EXPECT_FALSE(site_.has(resources::kCustomResourceDefinition, "things.example.org"));
  EXPECT_FALSE(site_.has(resources::kNamespace, "demo"));
}

TEST_F(UninstallerTest, GivesPodsTimeToEndAndThenKeepsTheirNamespace) {
  install();
  site_.client.put(resources::kPod, testing::object_of(R"(
apiVersion: v1
kind: Pod
metadata: {name: somebodys, namespace: demo}
)"));
  start();
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kRemoving);
  EXPECT_THAT(status().message, HasSubstr("Namespace demo: pods are left in it"));
  site_.timers.advance(minutes(3));
  EXPECT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_THAT(status().message, HasSubstr("Namespace demo is kept: pods are left in it"));
}

TEST_F(UninstallerTest, DeletesNothingThatIsNotItsOwn) {
  install();
  site_.change(resources::kConfigMap, {"demo", "settings"}, [](JsonObject& object) {
    object["metadata"].as_object()["labels"].as_object()[kSetLabel] = "another";
  });
  start();
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_TRUE(site_.has(resources::kConfigMap, "settings"));
}

TEST_F(UninstallerTest, ASuccessorGoesOnFromAnyWrite) {
  install();
  bool is_dead = false;
  site_.client.set_hook([&](const kube::FakeRequest&) -> std::optional<Error> {
    is_dead = is_dead || site_.writes().size() > 1;
    return is_dead ? std::optional(Error(Errc::kUnavailable, "dead")) : std::nullopt;
  });
  // Each of them writes once, and dies: the mark in the inventory, six ranks.
  for (int life = 0; life < 7; ++life) {
    start();
    site_.timers.advance(seconds(10));
    EXPECT_TRUE(is_dead) << life;
    uninstaller_.reset();
    site_.client.clear_requests();
    is_dead = false;
  }
  site_.client.set_hook(nullptr);
  start();
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kRemoved);
  EXPECT_FALSE(site_.has(testing::kThing, "thing"));
  EXPECT_FALSE(site_.has(resources::kDeployment, "server"));
  EXPECT_FALSE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_FALSE(site_.has(resources::kCustomResourceDefinition, "things.example.org"));
  EXPECT_FALSE(site_.has(resources::kNamespace, "demo"));
  EXPECT_FALSE(site_.has(resources::kConfigMap, "vk8s-addon-demo-0", "kube-system"));
}

TEST_F(UninstallerTest, StopsWhereSomebodyInstallsAgain) {
  install();
  // Another one begins when this one is about to delete the inventory.
  Inventory another("demo");
  ASSERT_TRUE(another.add({{.id = {"", "Namespace", "", "demo"}, .version = "v1"}}));
  another.describe(InventoryState::kInstalling, "sha256:2", "2");
  site_.client.set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb != "delete" || request.key.namespace_name != "kube-system") {
      return std::nullopt;
    }
    site_.client.put(resources::kConfigMap, another.to_config_map(0, "kube-system"));
    return Error(Errc::kConflict, "it has been written");
  });
  start();
  site_.timers.advance(minutes(5));
  EXPECT_EQ(status().phase, InstallPhase::kRemoving);
  EXPECT_TRUE(site_.has(resources::kConfigMap, "vk8s-addon-demo-0", "kube-system"));
}

}  // namespace
}  // namespace vk8s::addons
