#include "addons/installer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"

namespace vk8s::addons {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using testing::FakeSite;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace resources = kube::resources;

class InstallerTest : public ::testing::Test {
 protected:
  void start(const std::string& yaml = testing::kDemo, Precheck precheck = nullptr) {
    start_plan(testing::plan_of(yaml), std::move(precheck));
  }
  void start_plan(std::shared_ptr<const Plan> plan, Precheck precheck) {
    installer_.reset();
    installer_ = std::make_unique<Installer>(
        site_.timers, site_.client, std::move(plan),
        InstallerOptions{.set_name = "demo", .precheck = std::move(precheck)}, Log::silent(),
        [this] { ++changes_; });
    installer_->start();
    site_.settle();
  }
  const InstallStatus& status() const { return installer_->status(); }
  // As a successor would read it.
  Inventory inventory() {
    std::optional<Result<Inventory>> loaded;
    InventoryStore store(site_.client, "kube-system", "demo");
    store.load([&loaded](Result<Inventory> result) { loaded = std::move(result); });
    site_.settle();
    EXPECT_TRUE(loaded && *loaded);
    return loaded && *loaded ? *std::move(*loaded) : Inventory("demo");
  }
  // kDemo without its documents of that kind.
  static std::string without(const std::string& kind) {
    const std::string demo = testing::kDemo;
    std::string out;
    for (std::size_t begin = 0; begin < demo.size();) {
      const std::size_t end = std::min(demo.find("---\n", begin), demo.size());
      const std::string document = demo.substr(begin, end - begin);
      if (document.find("kind: " + kind + "\n") == std::string::npos) {
        out += "---\n" + document;
      }
      begin = end + 4;
    }
    return out;
  }

  FakeSite site_;
  int changes_ = 0;
  std::unique_ptr<Installer> installer_;
};

TEST_F(InstallerTest, RecordsEveryObjectBeforeItAppliesTheFirst) {
  start();
  ASSERT_FALSE(site_.writes().empty());
  EXPECT_EQ(site_.writes().front(), "create ConfigMap vk8s-addon-demo-0");
  EXPECT_EQ(inventory().entries().size(), 7U);
  EXPECT_EQ(inventory().state(), InventoryState::kInstalling);
  EXPECT_FALSE(status().is_settled);
  site_.run_demo();
  EXPECT_EQ(status().phase, InstallPhase::kReady);
  EXPECT_EQ(inventory().state(), InventoryState::kInstalled);
  EXPECT_TRUE(status().is_settled);
}

TEST_F(InstallerTest, ASuccessorWritesNothingWhereNothingIsToBeDone) {
  start();
  site_.run_demo();
  site_.client.clear_requests();
  start();
  EXPECT_TRUE(status().is_settled);
  EXPECT_THAT(site_.writes(), IsEmpty());
}

TEST_F(InstallerTest, ASuccessorGoesOnFromAnyWrite) {
  bool is_dead = false;
  site_.client.set_hook([&](const kube::FakeRequest&) -> std::optional<Error> {
    is_dead = is_dead || site_.writes().size() > 1;
    return is_dead ? std::optional(Error(Errc::kUnavailable, "dead")) : std::nullopt;
  });
  // Each of them writes once, and dies.
  for (int life = 0; life < 4; ++life) {
    start();
    EXPECT_TRUE(is_dead);
    installer_.reset();
    site_.client.clear_requests();
    is_dead = false;
  }
  installer_.reset();
  site_.client.set_hook(nullptr);
  start();
  site_.run_demo();
  EXPECT_EQ(status().phase, InstallPhase::kReady);
  EXPECT_TRUE(status().is_settled);
  EXPECT_EQ(inventory().entries().size(), 7U);
}

TEST_F(InstallerTest, AsksForNoRoomForAChangeOfWhatIsThere) {
  int asked = 0;
  const auto install = [&](const std::string& version, const std::string& setting) {
    std::string yaml = testing::kDemo;
    yaml.replace(yaml.find("a: \"1\""), 6, "a: \"" + setting + "\"");
    auto set = ManifestSet::create(
        {{.path = "addon.json", .content = R"({"version": ")" + version + "\"}"},
         {.path = "set.yaml", .content = yaml}});
    ASSERT_TRUE(set);
    start_plan(make_plan(std::make_shared<const ManifestSet>(*std::move(set))),
               [&](const std::function<void(std::vector<std::string>)>& answer) {
                 ++asked;
                 answer({});
               });
    site_.run_demo();
    ASSERT_EQ(status().phase, InstallPhase::kReady);
  };
  install("1", "1");
  EXPECT_EQ(asked, 1);
  install("1", "2");
  EXPECT_EQ(asked, 1);
  install("2", "3");
  EXPECT_EQ(asked, 2);
}

TEST_F(InstallerTest, DeletesWhatTheNewVersionDropped) {
  start();
  site_.run_demo();
  site_.client.clear_requests();
  start(without("ConfigMap"));
  site_.timers.advance(seconds(1));
  EXPECT_FALSE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_EQ(inventory().entries().size(), 6U);
  EXPECT_EQ(inventory().state(), InventoryState::kInstalled);
  EXPECT_TRUE(status().is_settled);
  EXPECT_EQ(site_.count("delete", "ConfigMap"), 1U);
  EXPECT_EQ(site_.count("apply", "Deployment"), 0U) << "what has not changed is left alone";
}

TEST_F(InstallerTest, DeletesNothingBeforeAllOfTheNewVersionIsApplied) {
  start();
  site_.run_demo();
  site_.client.fail_next("get", resources::kService, {Errc::kForbidden, "not allowed"}, 1);
  start(without("ConfigMap"));
  site_.timers.advance(seconds(1));
  EXPECT_TRUE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_EQ(inventory().entries().size(), 7U);
  EXPECT_EQ(status().phase, InstallPhase::kFailed);
}

TEST_F(InstallerTest, LeavesWhatAUserHasTakenOver) {
  start();
  site_.run_demo();
  site_.change(resources::kConfigMap, {"demo", "settings"}, [](JsonObject& object) {
    object["metadata"].as_object()["labels"].as_object().erase(kSetLabel);
  });
  start(without("ConfigMap"));
  site_.timers.advance(seconds(1));
  EXPECT_TRUE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_EQ(inventory().entries().size(), 6U) << "it is nobody's entry any more";
}

TEST_F(InstallerTest, AppliesNothingWhileSomethingSpeaksAgainstIt) {
  std::vector<std::string> problems = {"image a is missing", "8 CPUs are short"};
  start(testing::kDemo, [&](const auto& done) { done(problems); });
  EXPECT_EQ(status().phase, InstallPhase::kBlocked);
  EXPECT_EQ(status().message, "image a is missing; 8 CPUs are short");
  EXPECT_THAT(site_.writes(), IsEmpty());
  problems.clear();
  site_.timers.advance(minutes(1));
  EXPECT_EQ(status().phase, InstallPhase::kInstalling);
  EXPECT_EQ(status().message, "");
  EXPECT_THAT(site_.writes(), Contains("apply Namespace demo"));
}

TEST_F(InstallerTest, AnInstallationThatHasBegunIsNotCheckedAgain) {
  start();
  int checks = 0;
  start(testing::kDemo, [&checks](const auto& done) {
    ++checks;
    done({"no"});
  });
  EXPECT_EQ(checks, 0);
  EXPECT_EQ(status().phase, InstallPhase::kInstalling);
}

TEST_F(InstallerTest, AnAnswerAfterItsEndDoesNothing) {
  std::function<void(std::vector<std::string>)> answer;
  start(testing::kDemo, [&answer](auto done) { answer = std::move(done); });
  installer_.reset();
  ASSERT_TRUE(answer);
  answer({});
  site_.settle();
  EXPECT_THAT(site_.writes(), IsEmpty());
}

TEST_F(InstallerTest, WritesOfOthersToTheInventoryAreReadFirst) {
  site_.client.fail_next("create", resources::kConfigMap, {Errc::kAlreadyExists, "there"}, 1);
  start();
  EXPECT_THAT(status().message, HasSubstr("there"));
  EXPECT_EQ(site_.count("apply", "Namespace"), 0U);
  site_.timers.advance(seconds(2));
  EXPECT_EQ(site_.count("apply", "Namespace"), 1U);
  EXPECT_EQ(status().message, "");
}

TEST_F(InstallerTest, TouchesNothingWithoutAnInventoryThatItCanRead) {
  site_.client.put(resources::kConfigMap, testing::object_of(R"(
apiVersion: v1
kind: ConfigMap
metadata:
  {name: vk8s-addon-demo-0, namespace: kube-system,
   labels: {vk8s.sktelecom.com/addon-inventory: demo}}
data: {objects: "no entry"}
)"));
  start();
  EXPECT_THAT(status().message, HasSubstr("vk8s-addon-demo-0"));
  EXPECT_THAT(site_.writes(), IsEmpty());
}

TEST_F(InstallerTest, ReportsWhatItKeepsOfWhatWasDropped) {
  start(std::string(testing::kDemo) + R"(
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: demo}
)");
  site_.run_demo();
  start();
  site_.timers.advance(seconds(1));
  EXPECT_TRUE(site_.has(resources::kPersistentVolumeClaim, "data"));
  EXPECT_THAT(status().message,
              HasSubstr("PersistentVolumeClaim demo/data is kept: it holds data"));
  EXPECT_TRUE(status().is_settled);
  EXPECT_EQ(inventory().entries().size(), 8U) << "for an uninstallation that may delete data";
}

}  // namespace
}  // namespace vk8s::addons
