// Addresses that are given back, and what is expected of them then.
#include <fmt/format.h>

#include "ipmanager/allocator_fixture.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::seconds;
using testing::AllocatorTest;
using testing::Answer;
using testing::code_of;
using ::testing::HasSubstr;
using testing::ip;
using testing::node_of;
using testing::owner;
using testing::request_of;
using testing::text_of;
using testing::wish_of;
namespace resources = kube::resources;

TEST_F(AllocatorTest, ReleasesOnlyForTheOwner) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  const auto refused = release(replica, "10.1.0.7", Expect::owner(owner("q")));
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code(), Errc::kAlreadyExists);
  EXPECT_THAT(refused->error().message(), HasSubstr("it is team-a/p's, not team-a/q's"));
  EXPECT_FALSE(is_releasing("10.1.0.7"));
  EXPECT_TRUE(*release(replica, "10.1.0.7"));
  EXPECT_TRUE(*release(replica, "10.1.0.7"));
  EXPECT_TRUE(*release(replica, "10.1.0.8"));
}

TEST_F(AllocatorTest, ReleasesWhatHasChangedSinceTheCacheSawIt) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  replica.client.hold();
  patch("10.1.0.7", {{"spec", {{"note", "x"}}}});
  const auto pending = release(replica, "10.1.0.7", Expect::owner(owner("p")));
  EXPECT_TRUE(is_releasing("10.1.0.7"));
  // It waits for its watch, though not for long.
  EXPECT_FALSE(pending);
  run(seconds(2));
  replica.client.let_through();
  run();
  EXPECT_TRUE(replica.allocator.find(ip("10.1.0.7"))->releasing);
}

TEST_F(AllocatorTest, ReleasesNoReservationThatHasBecomeAPods) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  create("10.1.0.7", std::nullopt);
  Expect expect = Expect::holder_of(*replica.allocator.find(ip("10.1.0.7")));
  // Another replica gives it to a pod, and the watch is behind.
  replica.client.hold();
  patch("10.1.0.7", {{"spec", {{"owner", {{"namespace", "team-a"}, {"pod", "p"}}}}}});
  const auto refused = release(replica, "10.1.0.7", std::move(expect));
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code(), Errc::kAlreadyExists);
  EXPECT_THAT(refused->error().message(), HasSubstr("it is team-a/p's, not reserved"));
  EXPECT_FALSE(is_releasing("10.1.0.7"));
}

TEST_F(AllocatorTest, ReleasesOnlyTheVersionThatIsNamed) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  Expect expect = Expect::owner(owner("p"));
  expect.resource_version =
      allocate(replica, wish_of(owner("p"), "10.1.0.7"))->value().resource_version;
  replica.client.hold();
  patch("10.1.0.7", {{"spec", {{"note", "x"}}}});
  const auto refused = release(replica, "10.1.0.7", expect);
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code(), Errc::kConflict);
  EXPECT_FALSE(is_releasing("10.1.0.7"));
  replica.client.let_through();
  run();
  // The cache knows it: no write is tried.
  const int patches = count("patch");
  EXPECT_EQ(release(replica, "10.1.0.7", expect)->error().code(), Errc::kConflict);
  EXPECT_EQ(count("patch"), patches);
  expect.resource_version = replica.allocator.find(ip("10.1.0.7"))->resource_version;
  replica.client.lose_answers(1);
  EXPECT_TRUE(*release(replica, "10.1.0.7", expect)) << "its own write is no other's";
  EXPECT_TRUE(is_releasing("10.1.0.7"));
}

TEST_F(AllocatorTest, LeavesALivingNodeItsAddressWhereThatIsExpected) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  create("10.1.0.7", node_of("demo", "uid-1"));
  const auto put_cluster = [this](const char* uid, const char* node) {
    server_.put(resources::kVk8s,
                base::parse_json(fmt::format(
                                     R"({{"metadata":{{"name":"demo","namespace":"team-a",
                    "uid":"{}"}},"spec":{{"network":{{"staticIPs":true}},
                    "nodes":[{{"name":"{}","role":"master"}}]}}}})",
                                     uid, node))
                    .value());
  };
  Expect expect = Expect::anybody();
  expect.is_of_no_living_node = true;
  put_cluster("uid-1", "master-1");
  const auto refused = release(replica, "10.1.0.7", expect);
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code(), Errc::kAlreadyExists);
  EXPECT_THAT(refused->error().message(), HasSubstr("node master-1 of Vk8s team-a/demo"));
  for (const Error& unseen : {Error(Errc::kForbidden, "no right"), Error(Errc::kTimeout, "slow"),
                              Error(Errc::kNotFound, "could not find the requested resource")}) {
    server_.fail_next("get", resources::kVk8s, unseen);
    EXPECT_EQ(release(replica, "10.1.0.7", expect)->error().code(), Errc::kUnavailable);
  }
  EXPECT_FALSE(is_releasing("10.1.0.7"));
  put_cluster("uid-1", "another");
  EXPECT_TRUE(*release(replica, "10.1.0.7", expect)) << "that node has left";
  patch("10.1.0.7", {{"spec", {{"releasing", false}}}});
  const kube::Call call =
      server_.remove(resources::kVk8s, {"team-a", "demo"}, {}, [](const auto&) {});
  run();
  put_cluster("uid-2", "master-1");
  EXPECT_TRUE(*release(replica, "10.1.0.7", expect)) << "a later Vk8s of that name";
}

TEST_F(AllocatorTest, ReleasesThoughTheAnswerIsLost) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  replica.client.lose_answers(1);
  EXPECT_TRUE(*release(replica, "10.1.0.7", Expect::owner(owner("p"))));
  EXPECT_TRUE(is_releasing("10.1.0.7"));
}

}  // namespace
}  // namespace vk8s::ipmanager
