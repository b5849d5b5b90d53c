// Informer, leader election, events and discovery against a real API server.
#include <gtest/gtest.h>

#include <set>

#include "kube/discovery.h"
#include "kube/events.h"
#include "kube/informer.h"
#include "kube/leader_election.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Json config_map(const std::string& name, const std::string& value) {
  return JsonObject{
      {"apiVersion", "v1"},
      {"kind", "ConfigMap"},
      {"metadata", JsonObject{{"name", name}, {"labels", JsonObject{{"test", "runtime"}}}}},
      {"data", JsonObject{{"key", value}}}};
}

class RuntimeTest : public ::testing::Test {
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
    client_ = connect();
    blocking_.emplace(thread_.loop(), *client_, seconds(30));
  }
  void TearDown() override {
    if (client_) {
      thread_.run([this] {
        informer_.reset();
        client_.reset();
      });
    }
  }
  std::unique_ptr<Client> connect() {
    return std::move(Client::create(thread_.loop(), server_->admin(), Log::silent())).value();
  }
  void start_informer() {
    thread_.run([this] {
      informer_.emplace(thread_.loop(), *client_,
                        InformerOptions{.resource = resources::kConfigMap,
                                        .namespace_name = "default",
                                        .label_selector = "test=runtime",
                                        .projection = keep_fields({"data.key"})},
                        Log::to_stderr("test"));
      informer_->start();
    });
    ASSERT_TRUE(thread_.wait_until([this] { return informer_->has_synced(); }, seconds(20)));
  }
  // Whether the informer comes to hold this value.
  bool sees(const std::string& name, const std::string& value, seconds limit) {
    return thread_.wait_until(
        [&] {
          const ObjectPtr object = informer_->store().get({"default", name});
          return object && base::get_string(*object, "data.key") == value;
        },
        limit);
  }
  void write(const std::string& name, const std::string& value) {
    Json object = config_map(name, value);
    object.as_object()["metadata"].as_object()["namespace"] = "default";
    const auto written = blocking_->apply(resources::kConfigMap, object, {.field_manager = "test"});
    ASSERT_TRUE(written) << written.error().message();
  }

  static std::unique_ptr<testing::ApiServer> server_;
  testing::LoopThread thread_;
  std::unique_ptr<Client> client_;
  std::optional<BlockingClient> blocking_;
  std::optional<Informer> informer_;
};

std::unique_ptr<testing::ApiServer> RuntimeTest::server_;

TEST_F(RuntimeTest, InformerFollowsChanges) {
  write("followed", "1");
  start_informer();
  EXPECT_TRUE(sees("followed", "1", seconds(5)));
  write("followed", "2");
  EXPECT_TRUE(sees("followed", "2", seconds(5)));
  ASSERT_TRUE(blocking_->remove(resources::kConfigMap, {"default", "followed"}));
  EXPECT_TRUE(thread_.wait_until(
      [this] {
        return !informer_->store().get({"default", "followed"});
      },
      seconds(5)));
}

TEST_F(RuntimeTest, InformerSurvivesARestartOfTheApiServer) {
  write("before", "1");
  start_informer();
  server_->kill_api_server();
  const Status started = server_->start_api_server();
  ASSERT_TRUE(started) << started.error().message();
  write("before", "2");
  write("after", "1");
  EXPECT_TRUE(sees("before", "2", seconds(45)));
  EXPECT_TRUE(sees("after", "1", seconds(45)));
}

TEST_F(RuntimeTest, InformerHoldsFiveThousandObjects) {
  constexpr int kObjects = 5000;
  std::atomic<int> left = kObjects;
  std::vector<Call> calls;
  thread_.run([&] {
    for (int i = 0; i < kObjects; ++i) {
      calls.push_back(client_->create(resources::kConfigMap, "default",
                                      config_map(fmt::format("many-{}", i), "1"),
                                      [&left](const Result<Json>& created) {
                                        EXPECT_TRUE(created) << created.error().message();
                                        --left;
                                      }));
    }
  });
  ASSERT_TRUE(thread_.wait_until([&left] { return left == 0; }, seconds(120)));
  start_informer();
  EXPECT_GE(informer_->store().size(), static_cast<std::size_t>(kObjects));
  write("many-4999", "2");
  EXPECT_TRUE(sees("many-4999", "2", seconds(10)));
  thread_.run([&calls] { calls.clear(); });
}

TEST_F(RuntimeTest, LeadershipIsHandedOverWhenTheLeaderStopsOrDies) {
  struct Replica {
    std::unique_ptr<Client> client;
    std::optional<LeaderElector> elector;
  };
  std::map<std::string, Replica> replicas;
  const auto start = [&](const std::string& name) {
    Replica& replica = replicas[name];
    replica.client = connect();
    thread_.run([&] {
      replica.elector.emplace(thread_.loop(), *replica.client,
                              LeaderElectionOptions{.lease = {"default", "hand-over"},
                                                    .identity = name,
                                                    .lease_duration = seconds(2),
                                                    .renew_deadline = milliseconds(1500),
                                                    .retry_period = milliseconds(300)},
                              LeaderCallbacks{}, Log::silent());
      replica.elector->start();
    });
  };
  const auto leads = [&](const std::string& name, seconds limit) {
    return thread_.wait_until([&] { return replicas[name].elector->is_leader(); }, limit);
  };
  start("one");
  ASSERT_TRUE(leads("one", seconds(10)));
  start("two");
  // Released: the next one need not wait for the lease to run out.
  std::atomic<bool> stopped = false;
  thread_.run([&] { replicas["one"].elector->stop([&] { stopped = true; }); });
  EXPECT_TRUE(leads("two", seconds(10)));
  EXPECT_TRUE(stopped);
  start("three");
  EXPECT_FALSE(replicas["three"].elector->is_leader());
  // Dead: its lease runs out.
  thread_.run([&] { replicas["two"].elector.reset(); });
  EXPECT_TRUE(leads("three", seconds(10)));
  const auto lease = blocking_->get(resources::kLease, {"default", "hand-over"});
  ASSERT_TRUE(lease);
  EXPECT_EQ(base::get_string(*lease, "spec.holderIdentity"), "three");
  EXPECT_EQ(base::get_int(*lease, "spec.leaseTransitions"), 2);
  thread_.run([&] { replicas.clear(); });
}

TEST_F(RuntimeTest, EventsAreWrittenOnceAndCounted) {
  std::optional<EventRecorder> recorder;
  thread_.run([&] { recorder.emplace(thread_.loop(), *client_, "test", "here", Log::silent()); });
  const ObjectReference about{resources::kVk8s, {"default", "team-a"}, "uid-of-team-a"};
  for (int i = 0; i < 3; ++i) {
    recorder->record(about, EventType::kWarning, "ImageNotPulled", "image could not be pulled");
  }
  recorder->record(about, EventType::kNormal, "Running", "every node is ready");
  std::map<std::string, std::int64_t> counts;
  for (int attempt = 0; attempt < 100 && (counts["ImageNotPulled"] < 3 || counts["Running"] < 1);
       ++attempt) {
    const auto events = blocking_->list(resources::kEvent, "default",
                                        {.field_selector = "involvedObject.name=team-a"});
    ASSERT_TRUE(events) << events.error().message();
    counts.clear();
    for (const Json& event : *base::get_array(*events, "items")) {
      counts[std::string(*base::get_string(event, "reason"))] += *base::get_int(event, "count");
    }
    thread_.tick(milliseconds(50));
  }
  EXPECT_EQ(counts, (std::map<std::string, std::int64_t>{{"ImageNotPulled", 3}, {"Running", 1}}));
  thread_.run([&] { recorder.reset(); });
}

TEST_F(RuntimeTest, DiscoversVersionAndKinds) {
  const auto version = server_version(*blocking_);
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_EQ(version->major, 1);
  EXPECT_GE(version->minor, 20);
  EXPECT_EQ(serves(*blocking_, resources::kStatefulSet).value(), true);
  EXPECT_EQ(serves(*blocking_, resources::kVk8s).value(), false);
}

}  // namespace
}  // namespace vk8s::kube
