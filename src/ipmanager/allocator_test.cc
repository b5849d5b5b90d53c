#include "ipmanager/allocator.h"

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

TEST_F(AllocatorTest, GivesAnAddressAndTheSameOneAgain) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  AllocationRequest request = request_of(node_of("demo", "uid-1"));
  request.note = "the camera";
  const Answer first = allocate(replica, request);
  ASSERT_TRUE(first && *first) << text_of(first);
  const api::IpAllocation& given = **first;
  EXPECT_EQ(given.pool, "a");
  EXPECT_EQ(given.owner, request.owner);
  EXPECT_EQ(given.note, "the camera");
  EXPECT_EQ(text_of(allocate(replica, request)), text_of(first));
  EXPECT_EQ(count("create"), 1);
  EXPECT_EQ(replica.allocator.find(given.address), given);
  EXPECT_EQ(replica.allocator.find_by_owner(*request.owner), std::vector{given});
  EXPECT_EQ(replica.allocator.list(), std::vector{given});
  EXPECT_EQ(replica.allocator.pool_state("a")->allocated, 1U);
}

TEST_F(AllocatorTest, AnswersTheCallsOfOnePodOneAfterTheOther) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  const auto first = ask(replica, request_of(owner("p")));
  const auto second = ask(replica, request_of(owner("p")));
  run();
  EXPECT_EQ(text_of(*second), text_of(*first));
  EXPECT_EQ(count("create"), 1);
}

TEST_F(AllocatorTest, WaitsUntilItKnowsThePools) {
  server_.fail_next("list", resources::kVNodeIPPool, {Errc::kUnavailable, "away"});
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  const auto answer = ask(replica, request_of(owner("p")));
  run();
  EXPECT_FALSE(replica.allocator.has_synced());
  EXPECT_EQ(text_of(*answer), "(no answer)");
  run(seconds(1));
  EXPECT_TRUE(replica.allocator.has_synced());
  EXPECT_TRUE(*answer && **answer) << text_of(*answer);
}

TEST_F(AllocatorTest, GrantsAWishOrSaysWhyNot) {
  add_pool("a", {"10.1.0.0/29"}, {{"gateway", "10.1.0.1"}});
  Replica replica(timers_, server_);
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.3"))), "10.1.0.3");
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.3"))), "10.1.0.3");
  const Answer taken = allocate(replica, wish_of(owner("q"), "10.1.0.3"));
  EXPECT_EQ(code_of(taken), Errc::kAlreadyExists);
  EXPECT_THAT(text_of(taken), HasSubstr("10.1.0.3 to team-a/q: it is taken by team-a/p"));
  const Answer second = allocate(replica, wish_of(owner("p"), "10.1.0.4"));
  EXPECT_EQ(code_of(second), Errc::kAlreadyExists);
  EXPECT_THAT(text_of(second), HasSubstr("it has 10.1.0.3 already"));
  const Answer gateway = allocate(replica, wish_of(owner("q"), "10.1.0.1"));
  EXPECT_EQ(code_of(gateway), Errc::kInvalidArgument);
  EXPECT_THAT(text_of(gateway), HasSubstr("gateway"));
  EXPECT_EQ(code_of(allocate(replica, wish_of(owner("q"), "10.9.0.1"))), Errc::kInvalidArgument);
}

TEST_F(AllocatorTest, ReservesForNobody) {
  add_pool("a", {"10.1.0.0/29"}, {{"namespaces", JsonArray{"team-b"}}});
  Replica replica(timers_, server_);
  AllocationRequest request;
  request.note = "the printer";
  EXPECT_EQ(code_of(allocate(replica, request)), Errc::kInvalidArgument);
  request.address = ip("10.1.0.3");
  EXPECT_EQ(text_of(allocate(replica, request)), "10.1.0.3");
  const Answer again = allocate(replica, request);
  EXPECT_EQ(code_of(again), Errc::kAlreadyExists);
  EXPECT_THAT(text_of(again), HasSubstr("it is reserved: the printer"));
}

TEST_F(AllocatorTest, TellsAnEarlierClusterOfOneNameFromALaterOne) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  const Answer before = allocate(replica, request_of(node_of("demo", "uid-1")));
  const Answer after = allocate(replica, request_of(node_of("demo", "uid-2")));
  EXPECT_NE(text_of(before), text_of(after));
  EXPECT_THAT(text_of(allocate(replica, wish_of(node_of("demo", "uid-3"), text_of(before)))),
              HasSubstr("taken by an earlier team-a/demo-master-1-0"));
}

TEST_F(AllocatorTest, SaysWhenNoAddressIsLeft) {
  add_pool("a", {"10.1.0.1-10.1.0.2"});
  Replica replica(timers_, server_);
  EXPECT_TRUE(*allocate(replica, request_of(owner("p"))));
  EXPECT_TRUE(*allocate(replica, request_of(owner("q"))));
  EXPECT_EQ(code_of(allocate(replica, request_of(owner("r")))), Errc::kExhausted);
  EXPECT_EQ(replica.allocator.pool_state("a")->reason, "Exhausted");
  add_pool("a", {"10.1.0.1-10.1.0.3"});
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("r")))), "10.1.0.3");
}

TEST_F(AllocatorTest, KeepsWhatLiesOutsideAShrunkPoolAndGivesNothingThere) {
  add_pool("a", {"10.1.0.1-10.1.0.4"});
  Replica replica(timers_, server_);
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.4"))), "10.1.0.4");
  add_pool("a", {"10.1.0.1"});
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("p")))), "10.1.0.4");
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("q")))), "10.1.0.1");
  EXPECT_EQ(replica.allocator.pool_state("a")->outside, 1U);
  // Given back, it is not taken again: it could not be given now.
  EXPECT_TRUE(*release(replica, "10.1.0.4"));
  EXPECT_EQ(code_of(allocate(replica, request_of(owner("p")))), Errc::kExhausted);
}

TEST_F(AllocatorTest, GivesTheLastAddressToOneOfTwoReplicas) {
  add_pool("a", {"10.1.0.1"});
  Replica one(timers_, server_);
  Replica two(timers_, server_);
  run();
  two.client.hold();
  EXPECT_EQ(text_of(allocate(one, request_of(owner("p")))), "10.1.0.1");
  EXPECT_EQ(code_of(allocate(two, request_of(owner("q")))), Errc::kExhausted);
}

TEST_F(AllocatorTest, GoesOnWhereOthersHaveTakenWhatTheWatchHasNotShown) {
  add_pool("a", {"10.1.0.1-10.1.0.9"});
  Replica late(timers_, server_);
  run();
  late.client.hold();
  for (const char* address : {"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5",
                              "10.1.0.6", "10.1.0.7", "10.1.0.8"}) {
    create(address, owner(address));
  }
  const auto answer = ask(late, request_of(owner("p")));
  run();
  late.client.let_through();
  run();
  EXPECT_EQ(text_of(*answer), "10.1.0.9");
}

TEST_F(AllocatorTest, GivesOneAddressWhenTwoReplicasAllocateForOnePod) {
  add_pool("a", {"10.1.0.0/24"});
  add_pool("b", {"10.2.0.0/24"});
  Replica one(timers_, server_);
  Replica two(timers_, server_);
  run();
  two.client.hold();
  AllocationRequest request = request_of(owner("p"));
  request.pool = "a";
  const Answer first = allocate(one, request);
  // The other does not know of it, and makes another.
  request.pool = "b";
  const auto second = ask(two, request);
  run();
  EXPECT_EQ(text_of(*second), "(no answer)");
  EXPECT_EQ(count("create"), 2);
  two.client.let_through();
  run();
  EXPECT_EQ(text_of(*second), text_of(first));
  EXPECT_EQ(one.allocator.list().size(), 1U);
}

TEST_F(AllocatorTest, MeetsTheOtherReplicaAtOneAddress) {
  add_pool("a", {"10.1.0.0/16"});
  Replica one(timers_, server_);
  Replica two(timers_, server_);
  run();
  const auto first = ask(one, request_of(owner("p")));
  const auto second = ask(two, request_of(owner("p")));
  run();
  EXPECT_EQ(text_of(*first), text_of(*second));
  EXPECT_EQ(one.allocator.list().size(), 1U);
}

TEST_F(AllocatorTest, RefusesAWishWhenAnotherReplicaWasFaster) {
  add_pool("a", {"10.1.0.0/24"});
  Replica one(timers_, server_);
  Replica two(timers_, server_);
  run();
  two.client.hold();
  EXPECT_EQ(text_of(allocate(one, wish_of(owner("p"), "10.1.0.1"))), "10.1.0.1");
  const auto second = ask(two, wish_of(owner("p"), "10.1.0.2"));
  run();
  two.client.let_through();
  run();
  EXPECT_EQ(code_of(*second), Errc::kAlreadyExists);
  EXPECT_EQ(peek("10.1.0.2"), nullptr);
}

TEST_F(AllocatorTest, KnowsItsOwnObjectWhenTheAnswerWasLost) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  run();
  replica.client.lose_answers(1);
  const Answer answer = allocate(replica, request_of(owner("p")));
  EXPECT_TRUE(answer && *answer) << text_of(answer);
  EXPECT_EQ(count("create"), 1);
  replica.client.lose_answers(1);
  AllocationRequest nobody;
  nobody.address = ip("10.1.0.9");
  EXPECT_EQ(text_of(allocate(replica, nobody)), "10.1.0.9");
}

TEST_F(AllocatorTest, CreatesAgainWhatWasNeverCreated) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  run();
  server_.fail_next("create", resources::kIPAllocation, {Errc::kTimeout, "no answer"}, 2);
  EXPECT_TRUE(*allocate(replica, request_of(owner("p"))));
  EXPECT_EQ(replica.allocator.list().size(), 1U);
}

TEST_F(AllocatorTest, SaysThatTheApiServerIsAway) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  run();
  server_.set_hook(
      [](const kube::FakeRequest&) { return Error(Errc::kUnavailable, "connection refused"); });
  EXPECT_EQ(code_of(allocate(replica, request_of(owner("p")))), Errc::kUnavailable);
  EXPECT_EQ(release(replica, "10.1.0.1")->error().code(), Errc::kUnavailable);
  server_.set_hook([](const kube::FakeRequest&) { return Error(Errc::kTimeout, "no answer"); });
  EXPECT_EQ(code_of(allocate(replica, request_of(owner("p")))), Errc::kUnavailable);
  EXPECT_EQ(release(replica, "10.1.0.1")->error().code(), Errc::kUnavailable);
  server_.set_hook(nullptr);
  EXPECT_TRUE(*allocate(replica, request_of(owner("p"))));
}

TEST_F(AllocatorTest, HandsOnWhyTheApiServerRefuses) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  run();
  server_.fail_next("create", resources::kIPAllocation, {Errc::kForbidden, "no right"});
  const Answer answer = allocate(replica, request_of(owner("p")));
  EXPECT_EQ(code_of(answer), Errc::kForbidden);
  EXPECT_THAT(text_of(answer), HasSubstr("allocate an address to team-a/p: "));
}

TEST_F(AllocatorTest, GivesUpWaitingForItsWatchAndFindsTheAddressLater) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  run();
  replica.client.hold();
  const auto answer = ask(replica, request_of(owner("p")));
  run(seconds(19));
  EXPECT_EQ(text_of(*answer), "(no answer)");
  run(seconds(1));
  EXPECT_EQ(code_of(*answer), Errc::kUnavailable);
  replica.client.let_through();
  run();
  ASSERT_EQ(replica.allocator.list().size(), 1U);
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("p")))),
            replica.allocator.list().front().address.to_string());
}

TEST_F(AllocatorTest, AllocatesAnewWhenTheCacheIsBehind) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  const Answer first = allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  replica.client.hold();
  remove("10.1.0.7");
  const auto second = ask(replica, wish_of(owner("p"), "10.1.0.8"));
  run();
  replica.client.let_through();
  run();
  EXPECT_EQ(text_of(*second), "10.1.0.8");
}

TEST_F(AllocatorTest, TakesBackWhatWasReleased) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  EXPECT_TRUE(*release(replica, "10.1.0.7", Expect::owner(owner("p"))));
  EXPECT_TRUE(is_releasing("10.1.0.7"));
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("p")))), "10.1.0.7");
  EXPECT_FALSE(is_releasing("10.1.0.7"));
  // Also where the answer to that gets lost.
  release(replica, "10.1.0.7");
  replica.client.lose_answers(1);
  EXPECT_EQ(text_of(allocate(replica, request_of(owner("p")))), "10.1.0.7");
  // With another wish it stays released.
  release(replica, "10.1.0.7");
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.8"))), "10.1.0.8");
  EXPECT_TRUE(is_releasing("10.1.0.7"));
}

TEST_F(AllocatorTest, YieldsToAClaimThatCameBeforeItTookBackWhatWasReleased) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  allocate(replica, wish_of(owner("p"), "10.1.0.7"));
  release(replica, "10.1.0.7");
  replica.client.hold();
  create("10.1.0.9", owner("p"));
  const auto answer = ask(replica, request_of(owner("p")));
  run();
  EXPECT_FALSE(is_releasing("10.1.0.7"));
  replica.client.let_through();
  run();
  EXPECT_EQ(text_of(*answer), "10.1.0.9");
  EXPECT_TRUE(is_releasing("10.1.0.7"));
}

TEST_F(AllocatorTest, RefusesNoPodThatHasAnAddressWhichItsWatchHasNotShown) {
  add_pool("a", {"10.1.0.1"});
  Replica one(timers_, server_);
  Replica two(timers_, server_);
  run();
  two.client.hold();
  EXPECT_EQ(text_of(allocate(one, request_of(owner("p")))), "10.1.0.1");
  create("10.2.0.1", owner("q"));
  // By its cache the pool is used up as soon as it has tried the one address, and 10.2.0.1
  // is in no pool.
  EXPECT_EQ(code_of(allocate(two, request_of(owner("r")))), Errc::kExhausted);
  const auto again = ask(two, request_of(owner("p")));
  const auto other = ask(two, request_of(owner("q")));
  const auto wish = ask(two, wish_of(owner("q"), "10.2.0.1"));
  const auto foreign = ask(two, wish_of(owner("r"), "10.2.0.1"));
  run();
  EXPECT_FALSE(*again || *other || *wish);
  EXPECT_EQ(code_of(*foreign), Errc::kInvalidArgument);
  two.client.let_through();
  run();
  EXPECT_EQ(text_of(*again), "10.1.0.1");
  EXPECT_EQ(text_of(*other), "10.2.0.1");
  EXPECT_EQ(text_of(*wish), "10.2.0.1");
}

TEST_F(AllocatorTest, LooksThroughTheServerOnceForAllWhoWouldBeRefused) {
  add_pool("a", {"10.1.0.1"});
  Replica replica(timers_, server_);
  create("10.1.0.1", owner("p"));
  server_.clear_requests();
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 20; ++i) {
    answers.push_back(ask(replica, request_of(owner(fmt::format("q{}", i)))));
  }
  run();
  for (const auto& answer : answers) {
    EXPECT_EQ(code_of(*answer), Errc::kExhausted);
  }
  // The first asks at once, the others while it does.
  EXPECT_LE(count("list"), 2);
  server_.fail_next("list", resources::kIPAllocation, {Errc::kTimeout, "away"});
  EXPECT_EQ(code_of(allocate(replica, request_of(owner("q")))), Errc::kUnavailable);
}

TEST_F(AllocatorTest, WritesToWhatItsCreatorMayBeAboutToDelete) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  create("10.1.0.1", owner("p"));
  create("10.1.0.2", owner("p"));
  const std::string version(*base::get_string(*peek("10.1.0.2"), "metadata.resourceVersion"));
  patch("10.1.0.1", {{"spec", {{"releasing", true}}}});
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.2"))), "10.1.0.2");
  EXPECT_NE(base::get_string(*peek("10.1.0.2"), "metadata.resourceVersion"), version);
  EXPECT_EQ(count("patch"), 2);
  EXPECT_EQ(text_of(allocate(replica, wish_of(owner("p"), "10.1.0.2"))), "10.1.0.2");
  EXPECT_EQ(count("patch"), 2);
}

TEST_F(AllocatorTest, ConfirmsAnAddressOnlyAtTheVersionThatIsNamed) {
  add_pool("a", {"10.1.0.0/24"});
  Replica replica(timers_, server_);
  AllocationRequest request = wish_of(owner("p"), "10.1.0.7");
  request.resource_version = allocate(replica, request)->value().resource_version;
  EXPECT_EQ(text_of(allocate(replica, request)), "10.1.0.7");
  replica.client.hold();
  patch("10.1.0.7", {{"spec", {{"note", "x"}}}});
  EXPECT_EQ(code_of(allocate(replica, request)), Errc::kConflict);
  replica.client.let_through();
  remove("10.1.0.7");
  EXPECT_EQ(code_of(allocate(replica, request)), Errc::kConflict);
  EXPECT_EQ(peek("10.1.0.7"), nullptr);
}

TEST_F(AllocatorTest, AnswersAllThatIsPendingOnceWhenItStops) {
  add_pool("a", {"10.1.0.0/24"});
  auto replica = std::make_unique<Replica>(timers_, server_);
  run();
  replica->client.hold();
  const auto first = ask(*replica, request_of(owner("p")));
  run();
  const auto queued = ask(*replica, request_of(owner("p")));
  const auto fresh = ask(*replica, request_of(owner("q")));
  std::optional<Status> released;
  replica->allocator.release(ip("10.1.0.1"), Expect::anybody(),
                             [&](Status status) { released = std::move(status); });
  replica->allocator.stop();
  EXPECT_EQ(code_of(*first), Errc::kCancelled);
  EXPECT_EQ(code_of(*queued), Errc::kCancelled);
  EXPECT_EQ(code_of(*fresh), Errc::kCancelled);
  ASSERT_TRUE(released && !*released);
  EXPECT_EQ(released->error().code(), Errc::kCancelled);
  const auto late = ask(*replica, request_of(owner("r")));
  run(seconds(60));
  EXPECT_EQ(code_of(*late), Errc::kCancelled);
  const auto last = ask(*replica, request_of(owner("s")));
  replica.reset();
  EXPECT_EQ(code_of(*last), Errc::kCancelled);
}

TEST_F(AllocatorTest, TellsItsHandlersOfEveryChange) {
  add_pool("a", {"10.1.0.0/24"});
  testing::LateClient client(server_);
  Allocator allocator(timers_, client, Log::silent());
  std::string told;
  allocator.add_handlers({.on_pool = [&](const std::string& pool) { told += "pool " + pool + " "; },
                          .on_allocation =
                              [&](const api::IpAllocation& allocation) {
                                told += allocation.releasing ? "-" : "+";
                                told += allocation.address.to_string() + " ";
                              },
                          .on_released =
                              [&](const api::IpAllocation& allocation) {
                                told += "x" + allocation.address.to_string() + " ";
                              }});
  allocator.start();
  create("10.1.0.7", owner("p"));
  patch("10.1.0.7", {{"spec", {{"releasing", true}}}});
  remove("10.1.0.7");
  EXPECT_EQ(told, "pool a +10.1.0.7 -10.1.0.7 x10.1.0.7 ");
}

TEST_F(AllocatorTest, DoesNotTakeAListForAWatchThatHasComeSoFar) {
  add_pool("a", {"10.1.0.0/24"});
  add_pool("b", {"10.2.0.0/24"});
  Replica replica(timers_, server_);
  run();
  // The watch breaks; while it is away another replica gives an address, and then this
  // one makes another, whose name comes first in the list.
  server_.set_hook([](const kube::FakeRequest& request) {
    return request.verb == "watch" || request.verb == "list"
               ? std::optional(Error(Errc::kUnavailable, "away"))
               : std::nullopt;
  });
  server_.end_watches(fail(Errc::kGone, "too old resource version"));
  run();
  create("10.2.0.9", owner("p"));
  AllocationRequest request = request_of(owner("p"));
  request.pool = "a";
  const auto answer = ask(replica, request);
  run();
  EXPECT_EQ(count("create"), 2);
  server_.set_hook(nullptr);
  run(seconds(10));
  EXPECT_EQ(text_of(*answer), "10.2.0.9");
}

}  // namespace
}  // namespace vk8s::ipmanager
