// Client and BlockingClient against a real API server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kube/client.h"
#include "kube/ownership.h"
#include "kube/testing/api_server.h"
#include "kube/testing/client_contract.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::kube {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

Json config_map(const std::string& name, const std::string& value = "1") {
  return JsonObject{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", {{"name", name}, {"namespace", "default"}}},
                    {"data", {{"key", value}}}};
}

class ClientTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!testing::ApiServer::missing_prerequisite()) {
      auto started = testing::ApiServer::start();
      ASSERT_TRUE(started) << started.error().message();
      server_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    if (const auto missing = testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_TRUE(server_);
    client_ = connect(server_->admin());
    blocking_.emplace(thread_.loop(), *client_, seconds(20));
  }
  void TearDown() override {
    if (client_) {
      thread_.run([this] {
        watch_.cancel();
        client_.reset();
      });
    }
  }

  std::unique_ptr<Client> connect(ClientConfig config) {
    auto created = Client::create(thread_.loop(), std::move(config), Log::to_stderr("test"));
    EXPECT_TRUE(created) << created.error().message();
    return std::move(*created);
  }

  // Starts a watch of ConfigMaps that fills names_ and done_ (loop's thread).
  void start_watch(const std::string& resource_version) {
    thread_.run([&] {
      done_.reset();
      watch_ = client_->watch(
          resources::kConfigMap, "default", {.list = {.resource_version = resource_version}},
          [this](WatchEvent event) {
            names_.insert(std::string(
                base::get_string(event.object, "metadata.name").value_or("(bookmark)")));
            version_ = base::get_string(event.object, "metadata.resourceVersion").value_or("");
          },
          [this](Status status) { done_ = std::move(status); });
    });
  }
  bool wait_for_name(const std::string& name, seconds limit = seconds(10)) {
    return thread_.wait_until([&] { return names_.contains(name); }, limit);
  }
  std::string list_version() {
    const auto list = blocking_->list(resources::kConfigMap, "default");
    EXPECT_TRUE(list) << list.error().message();
    return std::string(base::get_string(*list, "metadata.resourceVersion").value_or(""));
  }

  static std::unique_ptr<testing::ApiServer> server_;
  testing::LoopThread thread_;
  std::unique_ptr<Client> client_;
  std::optional<BlockingClient> blocking_;
  // Loop's thread.
  Call watch_;
  std::set<std::string> names_;
  std::string version_;
  std::optional<Status> done_;
};

std::unique_ptr<testing::ApiServer> ClientTest::server_;

TEST_F(ClientTest, KeepsTheContractOfAClient) {
  for (const auto& check : testing::client_contract()) {
    SCOPED_TRACE(check.name);
    check.run(*blocking_);
  }
}

TEST_F(ClientTest, CreatesGetsPatchesAndRemoves) {
  const ObjectKey key{"default", "life"};
  const auto created = blocking_->create(resources::kConfigMap, "default", config_map("life"));
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_EQ(base::get_string(*created, "metadata.managedFields.0.manager"), "vk8s");
  const auto patched =
      blocking_->merge_patch(resources::kConfigMap, key, {{"data", {{"key", "2"}}}});
  ASSERT_TRUE(patched) << patched.error().message();
  EXPECT_EQ(base::get_string(*blocking_->get(resources::kConfigMap, key), "data.key"), "2");
  ASSERT_TRUE(blocking_->remove(resources::kConfigMap, key));
  const auto gone = blocking_->get(resources::kConfigMap, key);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Errc::kNotFound);
  EXPECT_THAT(gone.error().message(), HasSubstr("get ConfigMap default/life"));
}

TEST_F(ClientTest, SaysAlreadyExistsAndConflictApart) {
  const auto created = blocking_->create(resources::kConfigMap, "default", config_map("twice"));
  ASSERT_TRUE(created);
  const auto again = blocking_->create(resources::kConfigMap, "default", config_map("twice"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::kAlreadyExists);
  ASSERT_TRUE(blocking_->merge_patch(resources::kConfigMap, {"default", "twice"},
                                     {{"data", {{"key", "theirs"}}}}));
  const auto stale = blocking_->update(resources::kConfigMap, *created);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code(), Errc::kConflict);
}

TEST_F(ClientTest, RemoveWithAnotherUidIsAConflict) {
  ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("mine")));
  const auto removed = blocking_->remove(resources::kConfigMap, {"default", "mine"},
                                         {.uid = "00000000-0000-0000-0000-000000000000"});
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::kConflict);
}

TEST_F(ClientTest, DryRunCreatesNothingAndReportsTheServersWords) {
  EXPECT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("dry"), true));
  EXPECT_FALSE(blocking_->get(resources::kConfigMap, {"default", "dry"}));
  const auto refused =
      blocking_->create(resources::kConfigMap, "default", config_map("Not A Name"), true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("metadata.name"));
}

TEST_F(ClientTest, ServerSideApplyCreatesUpdatesAndReportsConflicts) {
  const ApplyOptions ours{.field_manager = "ours", .force = false};
  ASSERT_TRUE(blocking_->apply(resources::kConfigMap, config_map("applied"), ours));
  ASSERT_TRUE(blocking_->apply(resources::kConfigMap, config_map("applied", "2"), ours));
  const auto conflict = blocking_->apply(resources::kConfigMap, config_map("applied", "3"),
                                         {.field_manager = "theirs", .force = false});
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code(), Errc::kConflict);
  EXPECT_THAT(conflict.error().message(), HasSubstr(".data.key"));
  EXPECT_TRUE(blocking_->apply(resources::kConfigMap, config_map("applied", "3"),
                               {.field_manager = "theirs", .force = true}));
}

TEST_F(ClientTest, ApplyWithTheUidOfAVanishedObjectCreatesNothing) {
  Json object = config_map("reborn");
  object.as_object()["metadata"].as_object()["uid"] = "00000000-0000-0000-0000-000000000000";
  const auto applied = blocking_->apply(resources::kConfigMap, object, {.field_manager = "ours"});
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code(), Errc::kConflict);
}

TEST_F(ClientTest, ACreatedObjectHandedOverLosesFieldsThatAreNoLongerApplied) {
  const ApplyOptions ours{.field_manager = "ours"};
  Json object = config_map("handed-over");
  object.as_object()["data"].as_object()["extra"] = "x";
  const auto created = blocking_->create(resources::kConfigMap, "default", object);
  ASSERT_TRUE(created) << created.error().message();
  const auto patch = hand_over_patch(*created, "vk8s", "ours");
  ASSERT_TRUE(patch);
  const auto patched =
      blocking_->merge_patch(resources::kConfigMap, {"default", "handed-over"}, *patch);
  ASSERT_TRUE(patched) << patched.error().message();
  EXPECT_FALSE(hand_over_patch(*patched, "vk8s", "ours"));
  const auto applied = blocking_->apply(resources::kConfigMap, config_map("handed-over"), ours);
  ASSERT_TRUE(applied) << applied.error().message();
  EXPECT_EQ(base::find(*applied, "data.extra"), nullptr);
  EXPECT_EQ(base::get_string(*applied, "data.key"), "1");
}

TEST_F(ClientTest, SaysForbiddenAndUnauthorized) {
  auto nobody = connect(*server_->user("nobody", {}));
  BlockingClient as_nobody(thread_.loop(), *nobody);
  const auto forbidden = as_nobody.list(resources::kSecret, "default");
  ASSERT_FALSE(forbidden);
  EXPECT_EQ(forbidden.error().code(), Errc::kForbidden);
  ClientConfig wrong = server_->admin();
  wrong.client_certificate_pem.clear();
  wrong.client_key_pem.clear();
  wrong.token = "not-a-token";
  auto stranger = connect(wrong);
  BlockingClient as_stranger(thread_.loop(), *stranger);
  const auto refused = as_stranger.list(resources::kSecret, "default");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kUnauthorized);
  thread_.run([&] {
    nobody.reset();
    stranger.reset();
  });
}

TEST_F(ClientTest, RefusesAServerOfAnotherCa) {
  ClientConfig config = server_->admin();
  config.ca_pem = pki::create_ca({.common_name = "another", .organizations = {}})->certificate_pem;
  auto client = connect(config);
  BlockingClient blocking(thread_.loop(), *client);
  const auto answer = blocking.get(resources::kNamespace, {"", "default"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::kUnauthorized) << answer.error().message();
  thread_.run([&] { client.reset(); });
}

TEST_F(ClientTest, VerifiesTheGivenServerNameInsteadOfTheAddress) {
  for (const auto& [name, works] :
       {std::pair("kubernetes.default.svc", true), std::pair("somebody.else", false)}) {
    ClientConfig config = server_->admin();
    config.tls_server_name = name;
    auto client = connect(config);
    BlockingClient blocking(thread_.loop(), *client);
    const auto answer = blocking.get(resources::kNamespace, {"", "default"});
    EXPECT_EQ(answer.has_value(), works) << name;
    if (!answer) {
      EXPECT_EQ(answer.error().code(), Errc::kUnauthorized) << answer.error().message();
    }
    thread_.run([&] { client.reset(); });
  }
}

TEST_F(ClientTest, ReadsAKubeconfig) {
  const auto config = ClientConfig::from_kubeconfig(server_->kubeconfig());
  ASSERT_TRUE(config) << config.error().message();
  auto client = connect(*config);
  BlockingClient blocking(thread_.loop(), *client);
  EXPECT_TRUE(blocking.get(resources::kNamespace, {"", "default"}));
  thread_.run([&] { client.reset(); });
}

TEST_F(ClientTest, CarriesLargeBodiesBothWays) {
  const std::string large(900'000, 'x');
  const auto created =
      blocking_->create(resources::kConfigMap, "default", config_map("large", large));
  ASSERT_TRUE(created) << created.error().message();
  const auto read = blocking_->get(resources::kConfigMap, {"default", "large"});
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(base::get_string(*read, "data.key"), large);
}

TEST_F(ClientTest, WatchBringsChangesAfterTheGivenVersion) {
  start_watch(list_version());
  ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("watched")));
  EXPECT_TRUE(wait_for_name("watched"));
  thread_.run([this] { EXPECT_FALSE(done_); });
}

TEST_F(ClientTest, ADroppedWatchIsSilent) {
  start_watch(list_version());
  thread_.run([this] { watch_.cancel(); });
  ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("unseen")));
  start_watch("0");
  EXPECT_TRUE(wait_for_name("unseen"));
  thread_.run([this] { EXPECT_FALSE(done_); });
}

TEST_F(ClientTest, WatchResumesAfterTheApiServerWasKilled) {
  start_watch(list_version());
  server_->kill_api_server();
  ASSERT_TRUE(thread_.wait_until([this] { return done_.has_value(); }, seconds(10)));
  const Status ended = thread_.run([this] { return *done_; });
  if (!ended) {
    EXPECT_EQ(ended.error().code(), Errc::kUnavailable) << ended.error().message();
  }
  const Status started = server_->start_api_server();
  ASSERT_TRUE(started) << started.error().message();
  start_watch(list_version());
  ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("resumed")));
  EXPECT_TRUE(wait_for_name("resumed"));
}

TEST_F(ClientTest, WatchFromBeforeARestartIsGone) {
  const std::string old = list_version();
  ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default", config_map("between")));
  server_->kill_api_server();
  ASSERT_TRUE(server_->start_api_server());
  start_watch(old);
  ASSERT_TRUE(thread_.wait_until([this] { return done_.has_value(); }, seconds(10)));
  const Status ended = thread_.run([this] { return *done_; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), Errc::kGone) << ended.error().message();
}

TEST_F(ClientTest, AFrozenApiServerShowsWithin45Seconds) {
  start_watch(list_version());
  ASSERT_TRUE(server_->freeze_api_server());
  const bool shown = thread_.wait_until([this] { return done_.has_value(); }, seconds(45));
  ASSERT_TRUE(server_->thaw_api_server());
  ASSERT_TRUE(shown);
  EXPECT_TRUE(blocking_->get(resources::kNamespace, {"", "default"}));
}

TEST_F(ClientTest, ManyWatchesAndRequestsShareOneClient) {
  const std::string version = list_version();
  std::vector<Call> watches;
  std::vector<int> seen(64, 0);
  thread_.run([&] {
    for (std::size_t i = 0; i < seen.size(); ++i) {
      watches.push_back(client_->watch(
          resources::kConfigMap, "default", {.list = {.resource_version = version}},
          [&seen, i](WatchEvent event) {
            seen[i] += event.type == WatchEvent::Type::kAdded ? 1 : 0;
          },
          [](Status status) { EXPECT_TRUE(status) << status.error().message(); }));
    }
  });
  constexpr int kObjects = 30;
  for (int i = 0; i < kObjects; ++i) {
    ASSERT_TRUE(blocking_->create(resources::kConfigMap, "default",
                                  config_map(fmt::format("shared-{}", i))));
  }
  EXPECT_TRUE(thread_.wait_until([&] { return seen == std::vector<int>(seen.size(), kObjects); },
                                 seconds(20)));
  thread_.run([&] { watches.clear(); });
}

}  // namespace
}  // namespace vk8s::kube
