#include "controller/addon_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"
#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
namespace resources = kube::resources;

class FakeSets final : public AddonSets {
 public:
  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (const auto& [name, found] : sets_) {
      out.push_back(name);
    }
    return out;
  }
  Found find(const std::string& name) override {
    const auto at = sets_.find(name);
    return at == sets_.end() ? Found() : at->second;
  }
  void on_change(std::function<void()> tell) override { tell_ = std::move(tell); }

  void put(const std::string& name, const std::string& yaml, const char* info = "{}") {
    auto set = addons::ManifestSet::create(
        {{.path = "addon.json", .content = info}, {.path = "set.yaml", .content = yaml}});
    ASSERT_TRUE(set) << set.error().message();
    sets_[name] = {
        .exists = true,
        .plan = addons::make_plan(std::make_shared<const addons::ManifestSet>(*std::move(set))),
        .trouble = ""};
  }

  std::map<std::string, Found> sets_;
  std::function<void()> tell_;
};

class AddonKeeperTest : public testing::Test {
 protected:
  AddonKeeperTest() {
    sets_.put("training", addons::testing::kDemo, R"({"version": "v2.0.0"})");
    site_.client.put(resources::kNode, addons::testing::object_of(R"(
apiVersion: v1
kind: Node
metadata: {name: demo-master-1}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "110"}}
)"));
    make({});
    wanted_.spec.kubeflow.emplace();
    wanted_.status.version = "1.37.2";
  }

  void make(AddonKeeperOptions options) {
    keeper_.reset();
    keeper_ = std::make_unique<AddonKeeper>(
        AddonKeeper::Parts{site_.timers, [](const std::function<void()>& work) { work(); }, sets_,
                           [this](const kube::ClientConfig&) { return connect(); },
                           [this](const kube::ObjectKey&) { ++woken_; }, Log::silent()},
        options);
    adopt("demo");
    adopt("other");
  }
  void adopt(const char* name) {
    Cluster cluster = cluster_of(vk8s());
    cluster.vk8s.metadata.name = name;
    cluster.pki = pki_;
    ASSERT_TRUE(keeper_->adopt(cluster));
  }
  Result<std::unique_ptr<kube::Client>> connect() {
    ++connections_;
    if (!is_reachable_) {
      return fail(Errc::kUnavailable, "no route");
    }
    return std::make_unique<ServerWithAddresses>(site_.client);
  }

  // A reconcile, and what follows from it at once.
  AddonsReport ensure(bool can_work = true) {
    AddonsReport report = keeper_->ensure(wanted_, can_work, login_);
    wanted_.status.kubeflow = report.kubeflow;
    wanted_.status.addons = report.addons;
    site_.settle();
    return report;
  }
  std::string phase() {
    const AddonsReport report = ensure();
    return report.kubeflow ? report.kubeflow->phase : "none";
  }
  std::string message() {
    ensure();
    ensure();
    return ensure().kubeflow->message;
  }
  void install() {
    ensure();
    ensure();
    site_.run_demo();
    site_.settle();
    ASSERT_EQ(phase(), "Ready");
  }

  api::FileSet pki_ = api::create_cluster_pki("demo").value();
  addons::testing::FakeSite site_;
  FakeSets sets_;
  int connections_ = 0;
  int woken_ = 0;
  bool is_reachable_ = true;
  std::optional<AddonLogin> login_;
  api::Vk8s wanted_ = vk8s();
  std::unique_ptr<AddonKeeper> keeper_;
};

TEST_F(AddonKeeperTest, BeginsNothingBeforeTheStatusNamesIt) {
  EXPECT_EQ(keeper_->ensure(wanted_, true, login_).kubeflow->phase, "Pending");
  site_.settle();
  EXPECT_EQ(keeper_->ensure(wanted_, true, login_).kubeflow->phase, "Pending");
  site_.settle();
  EXPECT_EQ(connections_, 0);
  ensure();
  ensure();
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(phase(), "Installing");
}

TEST_F(AddonKeeperTest, TellsOfItUntilItIsThere) {
  install();
  EXPECT_EQ(ensure().kubeflow->version, "v2.0.0");
  EXPECT_EQ(ensure().kubeflow->progress, 100);
  EXPECT_GT(woken_, 0);
}

TEST_F(AddonKeeperTest, NamesWhatThereIsWhereItIsAskedForSomethingElse) {
  wanted_.spec.kubeflow->profile = "full";
  EXPECT_THAT(message(), HasSubstr("spec.kubeflow.profile: this installation has no profile "
                                   "\"full\": it has training; write one of these"));
  EXPECT_EQ(phase(), "Blocked");
  wanted_.spec.kubeflow->version = "1.9";
  EXPECT_THAT(message(), HasSubstr("no profile \"full\" of version \"1.9\": it has training"));
  wanted_.spec.kubeflow->profile = "training";
  EXPECT_THAT(message(),
              HasSubstr("spec.kubeflow.version \"1.9\": this installation has \"v2.0.0\""));
  sets_.put("training", addons::testing::kDemo, R"({"kubernetes": {"max": "1.36"}})");
  wanted_.spec.kubeflow->version = "";
  EXPECT_THAT(message(), HasSubstr("for Kubernetes any to 1.36, and the cluster runs 1.37.2"));
  EXPECT_EQ(connections_, 0);
}

TEST_F(AddonKeeperTest, TakesNoOtherAddOnForAProfileOfKubeflow) {
  sets_.put("metrics-server", addons::testing::kDemo);
  wanted_.spec.kubeflow->profile = "metrics-server";
  EXPECT_THAT(message(), HasSubstr("no profile \"metrics-server\": it has training"));
  EXPECT_EQ(connections_, 0);
  wanted_.spec.kubeflow.reset();
  wanted_.spec.addons = {{"training", ""}};
  ensure();
  ensure();
  EXPECT_THAT(ensure().addons.at(0).message, HasSubstr("no add-on \"training\": it has metrics-"));
}

TEST_F(AddonKeeperTest, KeepsASetThatItObjectsTo) {
  sets_.put("training", addons::testing::kDemo, R"({"kubernetes": {"max": "1.36"}})");
  const std::weak_ptr<const addons::Plan> plan = sets_.sets_.at("training").plan;
  ensure();
  ensure();
  ASSERT_EQ(phase(), "Blocked");
  sets_.sets_.at("training").plan = nullptr;
  EXPECT_FALSE(plan.expired()) << "it would be read for each look";
}

TEST_F(AddonKeeperTest, LooksAtOnceAtAClusterThatIsBack) {
  install();
  const int before = connections_;
  ensure(false);
  ensure();
  site_.timers.advance(seconds(1));
  EXPECT_EQ(connections_, before + 1);
  EXPECT_EQ(phase(), "Ready");
}

TEST_F(AddonKeeperTest, TellsNothingOfBeforeWhereItIsWantedAgain) {
  install();
  wanted_.spec.kubeflow.reset();
  ensure();
  ASSERT_EQ(phase(), "Removing");
  site_.timers.advance(minutes(3));
  ASSERT_EQ(phase(), "Removed");
  wanted_.spec.kubeflow.emplace();
  const AddonsReport report = keeper_->ensure(wanted_, false, login_);
  EXPECT_EQ(report.kubeflow->phase, "Pending");
  EXPECT_EQ(report.kubeflow->progress, 0);
}

TEST_F(AddonKeeperTest, ListsNoMoreAddOnsThanAStatusTakes) {
  wanted_.spec.kubeflow.reset();
  for (int i = 0; i < 31; ++i) {
    wanted_.status.addons.push_back({fmt::format("old-{}", i), "Removing", "", "", 0, {}});
  }
  wanted_.spec.addons = {{"a", ""}, {"b", ""}};
  EXPECT_EQ(keeper_->ensure(wanted_, false, login_).addons.size(), 32U);
}

TEST_F(AddonKeeperTest, GoesOnWhenTheSetCanBeHad) {
  const auto good = sets_.sets_.at("training");
  sets_.sets_["training"] = {.exists = true, .plan = nullptr, .trouble = "image a is missing"};
  EXPECT_EQ(message(), "image a is missing");
  EXPECT_EQ(connections_, 0);
  sets_.sets_["training"] = good;
  sets_.tell_();
  site_.settle();
  EXPECT_EQ(phase(), "Installing");
}

TEST_F(AddonKeeperTest, KeepsWhatIsReadyReadyWhileTheRegistryIsAway) {
  install();
  make({});
  sets_.sets_["training"] = {
      .exists = true, .plan = nullptr, .trouble = "no answer", .is_passing = true};
  EXPECT_THAT(message(), HasSubstr("not looked after for now: no answer"));
  EXPECT_EQ(phase(), "Ready");
  sets_.sets_["training"].is_passing = false;
  message();
  EXPECT_EQ(phase(), "Blocked");
}

TEST_F(AddonKeeperTest, AppliesNothingInAClusterThatIsTooSmall) {
  ensure();
  site_.change(resources::kNode, {"", "demo-master-1"}, [](JsonObject& node) {
    node["status"] = JsonObject{{"allocatable", JsonObject{{"cpu", "4"}, {"pods", "0"}}}};
  });
  ensure();
  EXPECT_EQ(phase(), "Blocked");
  EXPECT_THAT(message(), HasSubstr("the cluster is too small: "));
  EXPECT_THAT(site_.writes(), IsEmpty());
}

TEST_F(AddonKeeperTest, TakesAwayWhatOnlyTheStatusNames) {
  install();
  wanted_.spec.kubeflow.reset();
  ensure();
  EXPECT_EQ(phase(), "Removing");
  site_.timers.advance(minutes(3));
  EXPECT_EQ(phase(), "Removed");
  EXPECT_FALSE(site_.has(resources::kDeployment, "server"));
  EXPECT_EQ(phase(), "none") << "nothing is left to tell";
  EXPECT_FALSE(wanted_.has_addons());
}

TEST_F(AddonKeeperTest, ANewLeaderGoesOnFromTheStatusAlone) {
  install();
  make({});
  site_.client.clear_requests();
  EXPECT_EQ(phase(), "Ready");
  site_.timers.advance(seconds(1));
  EXPECT_EQ(phase(), "Ready");
  EXPECT_THAT(site_.writes(), IsEmpty());
  wanted_.spec.kubeflow.reset();
  make({});
  ensure();
  site_.timers.advance(minutes(3));
  EXPECT_EQ(phase(), "Removed");
}

TEST_F(AddonKeeperTest, LooksAgainAtWhatIsReadyAndMendsIt) {
  install();
  const int before = connections_;
  const kube::Call removal = site_.client.remove(resources::kConfigMap, {"demo", "settings"}, {},
                                                 [](const Result<Json>&) {});
  site_.settle();
  ASSERT_FALSE(site_.has(resources::kConfigMap, "settings"));
  site_.timers.advance(minutes(11));
  EXPECT_GT(connections_, before);
  EXPECT_TRUE(site_.has(resources::kConfigMap, "settings"));
  EXPECT_EQ(phase(), "Ready");
}

TEST_F(AddonKeeperTest, TellsOfWhatIsNotReadyAnyMore) {
  install();
  site_.change(resources::kDeployment, {"demo", "server"},
               [](JsonObject& object) { object.erase("status"); });
  site_.timers.advance(minutes(10) + seconds(1));
  EXPECT_EQ(phase(), "Ready") << "it is only being looked at";
  site_.timers.advance(minutes(2));
  EXPECT_EQ(phase(), "Installing");
}

TEST_F(AddonKeeperTest, TellsOnceOfWhatIsRefusedAtEachLook) {
  install();
  std::string changed = addons::testing::kDemo;
  changed.replace(changed.find("a: \"1\""), 6, "a: \"2\"");
  sets_.put("training", changed);
  site_.client.fail_next("apply", resources::kConfigMap, Error(Errc::kInvalidArgument, "no"), 100);
  ensure();
  site_.timers.advance(seconds(1));
  ASSERT_EQ(phase(), "Failed");
  const int told = woken_;
  const int before = connections_;
  site_.timers.advance(minutes(3));
  EXPECT_GT(connections_, before);
  EXPECT_EQ(woken_, told);
  EXPECT_EQ(phase(), "Failed");
}

TEST_F(AddonKeeperTest, TellsNothingNewOfOneWhenAnotherComes) {
  install();
  site_.change(resources::kDeployment, {"demo", "server"},
               [](JsonObject& object) { object.erase("status"); });
  sets_.put("metrics-server",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: demo}\n");
  wanted_.spec.addons = {{"metrics-server", ""}};
  ensure();
  ensure();
  site_.timers.advance(seconds(1));
  EXPECT_EQ(phase(), "Ready") << "it is only being looked at";
  EXPECT_EQ(ensure().addons.at(0).phase, "Ready");
  site_.timers.advance(minutes(2));
  EXPECT_EQ(phase(), "Installing");
}

TEST_F(AddonKeeperTest, StopsInAPausedClusterAndGoesOnLater) {
  ensure();
  ensure();
  ASSERT_EQ(connections_, 1);
  ensure(false);
  site_.timers.advance(minutes(5));
  EXPECT_EQ(ensure(false).kubeflow->phase, "Installing");
  ensure();
  site_.timers.advance(seconds(1));
  EXPECT_EQ(connections_, 2);
  site_.run_demo();
  EXPECT_EQ(phase(), "Ready");
}

TEST_F(AddonKeeperTest, WorksOnAFewClustersAtATime) {
  make({.max_clusters = 1});
  ensure();
  ensure();
  ASSERT_EQ(connections_, 1);
  api::Vk8s other = wanted_;
  other.metadata.name = "other";
  keeper_->ensure(other, true, login_);
  site_.settle();
  EXPECT_EQ(connections_, 1) << "it waits for its turn";
  site_.timers.advance(minutes(10));
  EXPECT_EQ(connections_, 2) << "the first has had its own";
}

TEST_F(AddonKeeperTest, TriesAgainWhereTheClusterIsNotReached) {
  is_reachable_ = false;
  ensure();
  ensure();
  EXPECT_THAT(ensure().kubeflow->message, HasSubstr("is not reached: no route"));
  EXPECT_EQ(connections_, 1);
  is_reachable_ = true;
  site_.timers.advance(minutes(1));
  EXPECT_EQ(connections_, 2);
  EXPECT_EQ(phase(), "Installing");
}

TEST_F(AddonKeeperTest, DropsAClusterThatIsForgotten) {
  ensure();
  ensure();
  keeper_->forget(kDemo);
  site_.client.clear_requests();
  site_.timers.advance(minutes(20));
  EXPECT_THAT(site_.writes(), IsEmpty());
  EXPECT_FALSE(keeper_->has_identity(kDemo));
}

// A set whose first user is user@example.com.
const std::string kSet = std::string(addons::testing::kDemo) + R"(
---
apiVersion: v1
kind: Secret
metadata: {name: passwords, namespace: demo}
stringData: {HASH: "$2y$12$example"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: users, namespace: demo}
data: {first: user@example.com}
)";
constexpr const char* kInfo = R"({"version": "v2.0.0", "login": {"email": "user@example.com",
    "passwordHash": {"namespace": "demo", "name": "passwords", "key": "HASH"}}})";

class AddonUserTest : public AddonKeeperTest {
 protected:
  AddonUserTest() { sets_.put("training", kSet, kInfo); }
  void give(const std::string& password) {
    login_ = AddonLogin{password, "Secret mine (key password)", ""};
  }
  std::string hash() const {
    const Json* secret = site_.client.peek(resources::kSecret, {"demo", "passwords"});
    return secret == nullptr
               ? std::string()
               : pki::base64_decode(addons::text_at(*secret, "data.HASH")).value_or("");
  }
  std::string first_user() const {
    return addons::text_at(*site_.client.peek(resources::kConfigMap, {"demo", "users"}),
                           "data.first");
  }
};

TEST_F(AddonUserTest, WaitsForAPassword) {
  EXPECT_FALSE(keeper_->wants_login(wanted_));
  ensure();
  ensure();
  EXPECT_TRUE(keeper_->wants_login(wanted_));
  EXPECT_EQ(woken_, 1) << "the next reconcile brings it";
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(connections_, 0);
  give("correct horse");
  install();
  EXPECT_EQ(ensure().kubeflow->message,
            "log in as user@example.com with the password in Secret mine (key password)");
  EXPECT_THAT(hash(), testing::StartsWith("$2b$12$"));
  EXPECT_EQ(first_user(), "user@example.com");
  for (const kube::FakeRequest& request : site_.client.requests()) {
    EXPECT_THAT(base::to_string(request.body), Not(HasSubstr("correct horse")));
  }
}

TEST_F(AddonUserTest, PutsTheAddressOfTheSpec) {
  wanted_.spec.kubeflow->email = "kim@site.example";
  give("correct horse");
  install();
  EXPECT_EQ(first_user(), "kim@site.example");
  EXPECT_THAT(ensure().kubeflow->message, HasSubstr("log in as kim@site.example"));
}

TEST_F(AddonUserTest, SaysWhyNobodyCouldLogIn) {
  login_ = AddonLogin{"", "Secret mine (key password)", "there is no such Secret"};
  EXPECT_EQ(message(), "there is no such Secret");
  EXPECT_EQ(phase(), "Blocked");
  give(std::string(73, 'x'));
  EXPECT_THAT(message(), HasSubstr("Secret mine (key password): "));
  give("correct horse");
  wanted_.spec.kubeflow->email = "a: b@site.example";
  EXPECT_THAT(message(), HasSubstr("spec.kubeflow.email \"a: b@site.example\": write an address"));
  EXPECT_EQ(phase(), "Blocked");
  EXPECT_EQ(connections_, 0);
  wanted_.spec.kubeflow->email = "kim@site.example";
  install();
}

TEST_F(AddonUserTest, KeepsWhatIsReadyReadyWhenTheSecretHasGone) {
  give("correct horse");
  install();
  login_->trouble = "there is no such Secret";
  EXPECT_THAT(message(), HasSubstr("not looked after for now: there is no such Secret"));
  EXPECT_EQ(phase(), "Ready");
}

TEST_F(AddonUserTest, TakesNoOtherProfileThatIsReadyForTheOneWithoutAUser) {
  sets_.put("full", kSet, kInfo);
  sets_.put("training", addons::testing::kDemo, R"({"version": "v1.0.0"})");
  install();
  wanted_.spec.kubeflow->profile = "full";
  EXPECT_EQ(phase(), "Ready") << "it was a moment ago";
  login_ = AddonLogin{"", "Secret mine (key password)", "there is no such Secret"};
  message();
  EXPECT_EQ(phase(), "Blocked");
  give("correct horse");
  message();
  site_.run_demo();
  message();
  EXPECT_EQ(ensure().kubeflow->version, "v2.0.0");
  wanted_.spec.kubeflow->profile = "training";
  EXPECT_FALSE(keeper_->wants_login(wanted_)) << "and no password is made for it";
}

TEST_F(AddonUserTest, IsOfKubeflowAlone) {
  sets_.put("shop", kSet, kInfo);
  wanted_.spec.kubeflow.reset();
  wanted_.spec.addons = {{"shop", ""}};
  ensure();
  ensure();
  EXPECT_EQ(ensure().addons.at(0).phase, "Blocked");
  EXPECT_THAT(ensure().addons.at(0).message, HasSubstr("only spec.kubeflow gives one"));
}

TEST_F(AddonUserTest, BringsANewPasswordInAndTheSameOneOnlyOnce) {
  give("correct horse");
  install();
  const std::string first = hash();
  make({});
  login_.reset();
  site_.client.clear_requests();
  EXPECT_EQ(phase(), "Ready") << "a new leader, who has not read the Secret yet";
  give("correct horse");
  EXPECT_EQ(phase(), "Ready");
  site_.timers.advance(seconds(1));
  EXPECT_THAT(site_.writes(), IsEmpty());
  give("battery staple");
  ensure();
  site_.timers.advance(seconds(1));
  EXPECT_NE(hash(), first);
  EXPECT_EQ(phase(), "Ready");
}

TEST_F(AddonUserTest, AnotherClusterHasAnotherHashOfTheSamePassword) {
  give("correct horse");
  install();
  const std::string first = hash();
  const kube::Call removal = site_.client.remove(resources::kSecret, {"demo", "passwords"}, {},
                                                 [](const Result<Json>&) {});
  wanted_.metadata.name = "other";
  pki_ = api::create_cluster_pki("other").value();
  make({});
  message();
  EXPECT_THAT(hash(), testing::StartsWith("$2b$12$"));
  EXPECT_NE(hash(), first);
}

TEST_F(AddonKeeperTest, SaysThatNobodyReadsTheFieldsOfALogin) {
  wanted_.spec.kubeflow->password_secret = "mine";
  install();
  EXPECT_FALSE(keeper_->wants_login(wanted_));
  EXPECT_EQ(ensure().kubeflow->message,
            "spec.kubeflow.email and passwordSecretRef are not used: profile training has no "
            "login; remove them");
  wanted_.spec.kubeflow->password_secret.clear();
  EXPECT_EQ(message(), "");
}

TEST(AddonWish, KnowsVersionsByTheirParts) {
  EXPECT_TRUE(is_version("", "v2.0.0"));
  EXPECT_TRUE(is_version("2.0", "v2.0.0"));
  EXPECT_TRUE(is_version("v2.0.0", "2.0.0"));
  EXPECT_FALSE(is_version("2.0", "v2.01"));
  EXPECT_FALSE(is_version("2.0.1", "v2.0.0"));
}

}  // namespace
}  // namespace vk8s::controller
