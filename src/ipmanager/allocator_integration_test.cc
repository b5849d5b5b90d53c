// Allocators and Sweepers on a real API server.
#include "ipmanager/api_server_fixture.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllocatorOnApiServer;
using ::testing::HasSubstr;
using testing::ip;
using testing::node_of;
using testing::owner;
using testing::request_of;
using testing::TestReplica;
using testing::wish_of;
namespace resources = kube::resources;

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
  expect_nothing_lost(seconds(3));
}

}  // namespace
}  // namespace vk8s::ipmanager
