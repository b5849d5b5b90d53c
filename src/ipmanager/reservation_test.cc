// Reservations that are given to a pod later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "ipmanager/allocation_index.h"
#include "ipmanager/allocator.h"
#include "ipmanager/late_client.h"
#include "ipmanager/test_objects.h"
#include "kube/fake_client.h"

namespace vk8s::ipmanager {
namespace {

using ::testing::HasSubstr;
using testing::ip;
using testing::owner;
namespace resources = kube::resources;

using Answer = std::optional<Result<api::IpAllocation>>;

class ReservationTest : public ::testing::Test {
 protected:
  struct Replica {
    Replica(base::FakeTimers& timers, kube::FakeClient& server)
        : client(server), allocator(timers, client, Log::silent()) {
      allocator.start();
    }
    testing::LateClient client;
    Allocator allocator;
  };

  ReservationTest() {
    server_.put(resources::kVNodeIPPool, testing::pool_object("a", {"10.1.0.0/29"}));
    run();
  }

  void run() { timers_.advance(std::chrono::nanoseconds(0)); }
  std::shared_ptr<Answer> ask(Replica& replica, AllocationRequest request) {
    auto answer = std::make_shared<Answer>();
    replica.allocator.allocate(std::move(request),
                               [answer](Result<api::IpAllocation> r) { *answer = std::move(r); });
    run();
    return answer;
  }
  api::IpAllocation reserve(std::string_view address) {
    AllocationRequest request;
    request.address = ip(address);
    request.note = "camera";
    return (*ask(one_, std::move(request)))->value();
  }
  static AllocationRequest take(std::string_view address, const std::string& pod,
                                std::string version = "") {
    AllocationRequest out = testing::wish_of(owner(pod), address);
    out.reservation = std::move(version);
    return out;
  }
  static std::string text_of(const std::shared_ptr<Answer>& answer) {
    return !*answer
               ? "(no answer)"
               : (**answer ? (*answer)->value().address.to_string() : (*answer)->error().message());
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  Replica one_{timers_, server_};
  Replica two_{timers_, server_};
};

TEST_F(ReservationTest, IsGivenToAPodAsItIs) {
  const api::IpAllocation reserved = reserve("10.1.0.3");
  const auto given = ask(two_, take("10.1.0.3", "web-0", reserved.resource_version));
  ASSERT_EQ(text_of(given), "10.1.0.3");
  EXPECT_EQ((*given)->value().owner, owner("web-0"));
  EXPECT_EQ((*given)->value().note, "camera");
  EXPECT_EQ((*given)->value().uid, reserved.uid);
  EXPECT_EQ(one_.allocator.find_by_owner(owner("web-0")).size(), 1U);
}

TEST_F(ReservationTest, OfAnotherVersionStays) {
  const api::IpAllocation reserved = reserve("10.1.0.3");
  server_.put(resources::kIPAllocation, *server_.peek(resources::kIPAllocation, {"", "10.1.0.3"}));
  run();
  const auto answer = ask(one_, take("10.1.0.3", "web-0", reserved.resource_version));
  EXPECT_THAT(text_of(answer), HasSubstr("written to since"));
  EXPECT_EQ((*answer)->error().code(), Errc::kConflict);
  EXPECT_FALSE(one_.allocator.find(ip("10.1.0.3"))->owner);
}

TEST_F(ReservationTest, IsNotMadeWhereThereIsNone) {
  const auto answer = ask(one_, take("10.1.0.3", "web-0"));
  EXPECT_EQ((*answer)->error().code(), Errc::kNotFound);
  EXPECT_FALSE(one_.allocator.find(ip("10.1.0.3")));
}

TEST_F(ReservationTest, IsNotTakenFromAPod) {
  ASSERT_TRUE(**ask(one_, testing::wish_of(owner("db-0"), "10.1.0.3")));
  EXPECT_THAT(text_of(ask(one_, take("10.1.0.3", "web-0"))), HasSubstr("taken by team-a/db-0"));
}

TEST_F(ReservationTest, StaysWhereThePodHasAnotherAddress) {
  reserve("10.1.0.3");
  ASSERT_TRUE(**ask(one_, testing::wish_of(owner("web-0"), "10.1.0.4")));
  EXPECT_THAT(text_of(ask(one_, take("10.1.0.3", "web-0"))), HasSubstr("10.1.0.4 already"));
  EXPECT_FALSE(one_.allocator.find(ip("10.1.0.3"))->owner);
}

// An older reservation is no older claim.
TEST_F(ReservationTest, IsGivenBackWhereThePodGotAnAddressMeanwhile) {
  reserve("10.1.0.3");
  one_.client.hold();
  const auto late = ask(one_, take("10.1.0.3", "web-0"));
  EXPECT_FALSE(*late);
  // A replica that does not see that yet would lose; what was there before it wins.
  server_.put(resources::kIPAllocation, testing::allocation_object("10.1.0.5", owner("db-0")));
  one_.client.let_through();
  run();
  EXPECT_EQ(text_of(late), "10.1.0.3");

  reserve("10.1.0.2");
  one_.client.hold();
  ASSERT_TRUE(**ask(two_, testing::wish_of(owner("app-0"), "10.1.0.6")));
  const auto loser = ask(one_, take("10.1.0.2", "app-0"));
  EXPECT_FALSE(*loser);
  one_.client.let_through();
  run();
  EXPECT_THAT(text_of(loser), HasSubstr("10.1.0.6 already"));
  EXPECT_TRUE(one_.allocator.find(ip("10.1.0.2"))->releasing);
  EXPECT_FALSE(one_.allocator.find(ip("10.1.0.6"))->releasing);
}

TEST_F(ReservationTest, IsTheirsThoughTheAnswerWasLost) {
  reserve("10.1.0.3");
  one_.client.lose_answers(1);
  EXPECT_EQ(text_of(ask(one_, take("10.1.0.3", "web-0"))), "10.1.0.3");
  EXPECT_EQ(one_.allocator.find(ip("10.1.0.3"))->owner, owner("web-0"));
}

}  // namespace
}  // namespace vk8s::ipmanager
