// Allocators and Sweepers on a real API server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

#include "ipmanager/test_host.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::ip;
using testing::node_of;
using testing::owner;
using testing::request_of;
using testing::TestHost;
using testing::TestReplica;
using testing::wish_of;
namespace resources = kube::resources;

constexpr SweeperOptions kQuick{.period = milliseconds(200), .patience = milliseconds(1000)};

class AllocatorOnApiServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!kube::testing::ApiServer::missing_prerequisite()) {
      auto started = TestHost::start();
      ASSERT_TRUE(started) << started.error().message();
      host_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { host_.reset(); }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_TRUE(host_);
  }
  void TearDown() override {
    if (host_) {
      host_->thread().run([this] { replicas_.clear(); });
      host_->remove_everything();
    }
  }

  TestReplica& add_replica() {
    auto client = host_->connect();
    EXPECT_TRUE(client) << client.error().message();
    TestReplica* out = host_->thread().run([&] {
      replicas_.push_back(
          std::make_unique<TestReplica>(host_->thread().loop(), std::move(*client), kQuick));
      return replicas_.back().get();
    });
    EXPECT_TRUE(
        host_->thread().wait_until([&] { return out->allocator().has_synced(); }, seconds(20)));
    return *out;
  }
  // All that allocators tell, in the order of the requests.
  std::vector<Result<api::IpAllocation>> allocate(
      const std::vector<std::pair<TestReplica*, AllocationRequest>>& requests) {
    std::vector<std::optional<Result<api::IpAllocation>>> answers(requests.size());
    host_->thread().run([&] {
      for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].first->allocator().allocate(
            requests[i].second,
            [&answers, i](Result<api::IpAllocation> answer) { answers[i] = std::move(answer); });
      }
    });
    EXPECT_TRUE(host_->thread().wait_until(
        [&] {
          return std::all_of(answers.begin(), answers.end(),
                             [](const auto& answer) { return answer.has_value(); });
        },
        seconds(60)));
    std::vector<Result<api::IpAllocation>> out;
    for (auto& answer : answers) {
      out.push_back(answer.value_or(fail(Errc::kTimeout, "never answered")));
    }
    return out;
  }
  std::string allocate(TestReplica& replica, const AllocationRequest& request) {
    const auto answer = std::move(allocate({{&replica, request}}).front());
    return answer ? answer->address.to_string() : answer.error().message();
  }
  Status release(TestReplica& replica, const IpAddress& address) {
    BlockingAllocator blocking(host_->thread().loop(), replica.allocator());
    return blocking.release(address, Expect::anybody());
  }
  bool wait_until_left(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (host_->list_allocations().size() != count) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      host_->thread().tick(milliseconds(50));
    }
    return true;
  }
  std::string reason_of(const std::string& pool) {
    const auto object = host_->api().get(resources::kVNodeIPPool, {"", pool});
    return object
               ? std::string(base::get_string(*object, "status.conditions.0.reason").value_or(""))
               : object.error().message();
  }
  bool wait_for_reason(const std::string& pool, const std::string& reason) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (reason_of(pool) != reason && std::chrono::steady_clock::now() < deadline) {
      host_->thread().tick(milliseconds(50));
    }
    EXPECT_EQ(reason_of(pool), reason);
    return reason_of(pool) == reason;
  }
  Json pool(const std::string& name) {
    return host_->api().get(resources::kVNodeIPPool, {"", name}).value_or(Json());
  }
  void wait_for_capacity(std::uint64_t capacity) {
    for (const auto& replica : replicas_) {
      ASSERT_TRUE(host_->thread().wait_until(
          [&] {
            const auto state = replica->allocator().pool_state("a");
            return state && state->capacity == capacity;
          },
          seconds(20)));
    }
  }

  static std::unique_ptr<TestHost> host_;
  std::vector<std::unique_ptr<TestReplica>> replicas_;
};

std::unique_ptr<TestHost> AllocatorOnApiServer::host_;

TEST_F(AllocatorOnApiServer, GivesAnAddressAndFreesItOnceItIsReleased) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/24", "fd00::/120"}));
  TestReplica& replica = add_replica();
  const std::string first = allocate(replica, request_of(owner("p")));
  EXPECT_EQ(allocate(replica, request_of(owner("p"))), first);
  EXPECT_EQ(allocate(replica, wish_of(owner("q"), "fd00::7")), "fd00::7");
  EXPECT_THAT(allocate(replica, wish_of(owner("r"), "fd00::7")), HasSubstr("taken by team-a/q"));
  EXPECT_EQ(host_->list_allocations().size(), 2U);
  EXPECT_TRUE(release(replica, ip(first)));
  EXPECT_TRUE(release(replica, ip("fd00::7")));
  EXPECT_TRUE(wait_until_left(0));
}

TEST_F(AllocatorOnApiServer, KeepsAReleasedAddressWhileAPodHasIt) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.7"}));
  TestReplica& replica = add_replica();
  EXPECT_EQ(allocate(replica, request_of(owner("p"))), "10.1.0.7");
  JsonObject annotations;
  annotations[api::kIpAnnotation] = "10.1.0.7";
  const Json pod = JsonObject{
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", JsonObject{{"name", "p"}, {"annotations", annotations}}},
      {"spec", JsonObject{{"containers", JsonArray{JsonObject{{"name", "c"}, {"image", "i"}}}}}}};
  const auto created = host_->api().create(resources::kPod, "team-a", pod);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_TRUE(release(replica, ip("10.1.0.7")));
  EXPECT_THAT(allocate(replica, wish_of(owner("q"), "10.1.0.7")),
              HasSubstr("it has been given back, and is free once no pod has it"));
  ASSERT_TRUE(host_->api().remove(resources::kPod, {"team-a", "p"}, {.grace_period = seconds(0)}));
  EXPECT_TRUE(wait_until_left(0));
}

TEST_F(AllocatorOnApiServer, FreesTheAddressesOfAClusterThatIsGone) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/24"}));
  TestReplica& replica = add_replica();
  const Json cluster = JsonObject{
      {"apiVersion", api::kVk8sApiVersion.data()},
      {"kind", "Vk8s"},
      {"metadata", JsonObject{{"name", "demo"}}},
      {"spec",
       JsonObject{{"nodes", JsonArray{JsonObject{{"name", "master-1"}, {"role", "master"}}}}}}};
  const auto created = host_->api().create(resources::kVk8s, "team-a", cluster);
  ASSERT_TRUE(created) << created.error().message();
  const std::string uid(*base::get_string(*created, "metadata.uid"));
  allocate(replica, request_of(node_of("demo", uid)));
  allocate(replica, request_of(node_of("demo", "an-earlier-one")));
  EXPECT_TRUE(wait_until_left(1));
  EXPECT_EQ(host_->list_allocations().front().owner->cluster_uid, uid);
  ASSERT_TRUE(host_->api().remove(resources::kVk8s, {"team-a", "demo"}));
  EXPECT_TRUE(wait_until_left(0));
}

TEST_F(AllocatorOnApiServer, GivesEachPodOneAddressThoughTwoReplicasAllocate) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/25"}));
  ASSERT_TRUE(host_->put_pool("b", {"10.2.0.0/25"}));
  std::vector<TestReplica*> replicas = {&add_replica(), &add_replica()};
  std::vector<std::pair<TestReplica*, AllocationRequest>> requests;
  for (int i = 0; i < 100; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      AllocationRequest request = request_of(owner(fmt::format("p{}", i)));
      request.pool = j == 0 ? "a" : "b";
      requests.emplace_back(replicas[j], std::move(request));
    }
  }
  const auto answers = allocate(requests);
  std::set<IpAddress> given;
  for (std::size_t i = 0; i < answers.size(); i += 2) {
    ASSERT_TRUE(answers[i] && answers[i + 1]);
    EXPECT_EQ(answers[i]->address, answers[i + 1]->address);
    given.insert(answers[i]->address);
  }
  EXPECT_EQ(given.size(), 100U);
  EXPECT_EQ(host_->list_allocations().size(), 100U);
}

TEST_F(AllocatorOnApiServer, GivesEveryAddressOfAPoolOnceAndThenSaysSo) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/26"}));
  std::vector<TestReplica*> replicas = {&add_replica(), &add_replica()};
  std::vector<std::pair<TestReplica*, AllocationRequest>> requests;
  for (int i = 0; i < 80; ++i) {
    requests.emplace_back(replicas[static_cast<std::size_t>(i) % 2],
                          request_of(owner(fmt::format("p{}", i))));
  }
  std::set<IpAddress> given;
  int exhausted = 0;
  for (const auto& answer : allocate(requests)) {
    if (answer) {
      EXPECT_TRUE(given.insert(answer->address).second);
    } else {
      EXPECT_EQ(answer.error().code(), Errc::kExhausted) << answer.error().message();
      ++exhausted;
    }
  }
  EXPECT_EQ(given.size(), 62U);
  EXPECT_EQ(exhausted, 18);
  EXPECT_TRUE(wait_for_reason("a", "Exhausted"));
  EXPECT_EQ(base::get_int(pool("a"), "status.allocated"), 62);
}

TEST_F(AllocatorOnApiServer, FollowsAPoolThatShrinks) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.1-10.1.0.8"}));
  TestReplica& replica = add_replica();
  EXPECT_EQ(allocate(replica, wish_of(owner("p"), "10.1.0.8")), "10.1.0.8");
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.1-10.1.0.4"}, {{"exclusions", JsonArray{"10.1.0.1"}}}));
  wait_for_capacity(3);
  EXPECT_EQ(allocate(replica, request_of(owner("p"))), "10.1.0.8");
  EXPECT_THAT(allocate(replica, wish_of(owner("q"), "10.1.0.1")), HasSubstr("spec.exclusions"));
  EXPECT_TRUE(wait_for_reason("a", "Ready"));
  EXPECT_TRUE(host_->thread().wait_until(
      [&] { return replica.allocator().pool_state("a")->outside == 1; }, seconds(5)));
}

TEST_F(AllocatorOnApiServer, SaysWhichPoolOverlapsWhat) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/24"}));
  ASSERT_TRUE(host_->api().create(resources::kNode, "",
                                  JsonObject{{"apiVersion", "v1"},
                                             {"kind", "Node"},
                                             {"metadata", JsonObject{{"name", "node-1"}}},
                                             {"spec", JsonObject{{"podCIDR", "10.4.0.0/24"}}}}));
  add_replica();
  // Later by name where it is not by its second.
  ASSERT_TRUE(host_->put_pool("b", {"10.1.0.128/25"}));
  ASSERT_TRUE(host_->put_pool("c", {"10.4.0.0/16"}));
  ASSERT_TRUE(host_->put_pool("d", {"10.5.0.9-10.5.0.1"}));
  EXPECT_TRUE(wait_for_reason("a", "Ready"));
  EXPECT_TRUE(wait_for_reason("b", "Overlap"));
  EXPECT_TRUE(wait_for_reason("c", "OverlapsNodes"));
  EXPECT_TRUE(wait_for_reason("d", "Invalid"));
  EXPECT_EQ(base::get_string(pool("b"), "status.conditions.0.status"), "False");
  EXPECT_EQ(base::get_int(pool("b"), "status.capacity"), 0);
  ASSERT_TRUE(host_->api().remove(resources::kNode, {"", "node-1"}));
  EXPECT_TRUE(wait_for_reason("c", "Ready"));
}

TEST_F(AllocatorOnApiServer, LosesNothingWhenTheApiServerIsAwayForSomeSeconds) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/24"}));
  std::vector<TestReplica*> replicas = {&add_replica(), &add_replica()};
  std::vector<std::pair<TestReplica*, AllocationRequest>> requests;
  for (int i = 0; i < 60; ++i) {
    requests.emplace_back(replicas[static_cast<std::size_t>(i) % 2],
                          request_of(owner(fmt::format("p{}", i / 2))));
  }
  std::vector<std::pair<TestReplica*, AllocationRequest>> before(requests.begin(),
                                                                 requests.begin() + 20);
  std::map<std::string, IpAddress> held;
  for (const auto& answer : allocate(before)) {
    ASSERT_TRUE(answer);
    held[answer->owner->pod] = answer->address;
  }
  // Killed with requests in flight.
  std::atomic<int> answered = 0;
  host_->thread().run([&] {
    for (const auto& [replica, request] : requests) {
      replica->allocator().allocate(request, [&answered](const auto&) { ++answered; });
    }
  });
  host_->server().kill_api_server();
  host_->thread().tick(seconds(3));
  const Status started = host_->server().start_api_server();
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(host_->thread().wait_until(
      [&] { return answered == static_cast<int>(requests.size()); }, seconds(30)));
  std::vector<Result<api::IpAllocation>> answers = allocate(requests);
  // As long as the watches are not back, an answer may be that it takes too long.
  for (int i = 0; i < 3 && std::any_of(answers.begin(), answers.end(),
                                       [](const auto& answer) { return !answer; });
       ++i) {
    answers = allocate(requests);
  }
  std::set<IpAddress> given;
  for (std::size_t i = 0; i < answers.size(); i += 2) {
    ASSERT_TRUE(answers[i]) << answers[i].error().message();
    ASSERT_TRUE(answers[i + 1]) << answers[i + 1].error().message();
    EXPECT_EQ(answers[i]->address, answers[i + 1]->address);
    EXPECT_TRUE(given.insert(answers[i]->address).second);
    const auto known = held.find(answers[i]->owner->pod);
    EXPECT_TRUE(known == held.end() || known->second == answers[i]->address);
  }
  EXPECT_TRUE(wait_until_left(30));
}

}  // namespace
}  // namespace vk8s::ipmanager
