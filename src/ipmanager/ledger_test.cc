#include "ipmanager/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ipmanager/test_objects.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::ip;
using testing::owner;
using testing::pool_object;
using testing::request_of;
using testing::wish_of;

kube::ObjectPtr kept(std::string_view address, const std::string& pool, std::uint64_t version) {
  Json object = testing::allocation_object(address, std::nullopt, pool);
  object.at("metadata").as_object()["uid"] = std::string(address);
  object.at("metadata").as_object()["resourceVersion"] = std::to_string(version);
  return std::make_shared<const Json>(compact(std::move(object)));
}

class LedgerTest : public ::testing::Test {
 protected:
  void add_pool(const std::string& name, const std::vector<std::string>& ranges,
                JsonObject more = {}) {
    ledger_.pools().put_pool(pool_object(name, ranges, std::move(more)));
  }
  std::string chosen(const AllocationRequest& request, unsigned attempt = 0) const {
    const auto place = ledger_.choose(request, attempt);
    return place ? place->address.to_string() : place.error().message();
  }

  Ledger ledger_;
};

TEST_F(LedgerTest, BeginsAtAPlaceOfTheOwnersOwn) {
  add_pool("a", {"10.1.0.0/16"});
  std::set<std::string> places;
  for (int i = 0; i < 100; ++i) {
    const auto request = request_of(owner("p" + std::to_string(i)));
    EXPECT_EQ(chosen(request), chosen(request));
    places.insert(chosen(request));
  }
  EXPECT_GT(places.size(), 95U);
}

TEST_F(LedgerTest, FindsTheLastFreeAddressFromAnywhere) {
  add_pool("a", {"10.1.0.1-10.1.0.4", "10.1.0.8-10.1.0.12"});
  std::uint64_t version = 0;
  for (const char* taken : {"10.1.0.1", "10.1.0.2", "10.1.0.4", "10.1.0.8", "10.1.0.9", "10.1.0.10",
                            "10.1.0.11", "10.1.0.12"}) {
    ledger_.put(kept(taken, "a", ++version));
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(chosen(request_of(owner("p" + std::to_string(i)))), "10.1.0.3");
  }
  ledger_.claim(ip("10.1.0.3"));
  const auto none = ledger_.choose(request_of(owner("p")), 0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::kExhausted);
  EXPECT_THAT(none.error().message(), HasSubstr("VNodeIPPool a"));
  ledger_.unclaim(ip("10.1.0.3"));
  EXPECT_EQ(chosen(request_of(owner("p"))), "10.1.0.3");
}

TEST_F(LedgerTest, GoesOnToTheNextPool) {
  add_pool("a", {"10.1.0.1"});
  add_pool("b", {"10.2.0.1"});
  add_pool("c", {"10.3.0.1"}, {{"namespaces", JsonArray{"team-c"}}});
  ledger_.put(kept("10.1.0.1", "a", 1));
  EXPECT_EQ(chosen(request_of(owner("p"))), "10.2.0.1");
  ledger_.put(kept("10.2.0.1", "b", 2));
  EXPECT_THAT(chosen(request_of(owner("p"))), HasSubstr("VNodeIPPool a, b"));
  EXPECT_EQ(chosen(request_of(owner("p", "team-c"))), "10.3.0.1");
}

TEST_F(LedgerTest, NamesThePoolThatIsNotThereOrDoesNotAllowTheOwner) {
  add_pool("a", {"10.1.0.1"}, {{"namespaces", JsonArray{"team-b"}}});
  AllocationRequest request = request_of(owner("p"));
  EXPECT_EQ(ledger_.choose(request, 0).error().code(), Errc::kExhausted);
  request.pool = "a";
  EXPECT_EQ(ledger_.choose(request, 0).error().code(), Errc::kInvalidArgument);
  request.pool = "x";
  EXPECT_EQ(ledger_.choose(request, 0).error().code(), Errc::kNotFound);
  request.address = ip("10.1.0.1");
  EXPECT_EQ(ledger_.check_wish(request).error().code(), Errc::kNotFound);
}

TEST_F(LedgerTest, ChecksAWish) {
  add_pool("a", {"10.1.0.0/24"}, {{"gateway", "10.1.0.1"}});
  add_pool("b", {"10.2.0.0/24"});
  EXPECT_EQ(ledger_.check_wish(wish_of(owner("p"), "10.1.0.7"))->pool, "a");
  EXPECT_THAT(ledger_.check_wish(wish_of(owner("p"), "10.1.0.1")).error().message(),
              HasSubstr("address 10.1.0.1 is the gateway"));
  AllocationRequest other = wish_of(owner("p"), "10.1.0.7");
  other.pool = "b";
  EXPECT_THAT(ledger_.check_wish(other).error().message(),
              HasSubstr("is not of VNodeIPPool b but of a"));
}

TEST_F(LedgerTest, TakesWhatIsHiddenForTakenUntilTheWatchHasComeThere) {
  add_pool("a", {"10.1.0.1"});
  const Ledger::TimePoint begin{};
  ledger_.hide(ip("10.1.0.1"), 5, begin);
  EXPECT_FALSE(ledger_.choose(request_of(owner("p")), 0));
  ledger_.forget_hidden(begin + seconds(9));
  EXPECT_FALSE(ledger_.choose(request_of(owner("p")), 0));
  ledger_.put(kept("10.9.0.1", "", 5));
  ledger_.forget_hidden(begin + seconds(9));
  EXPECT_EQ(chosen(request_of(owner("p"))), "10.1.0.1");
  // What the watch has shown already needs no hiding.
  ledger_.hide(ip("10.1.0.1"), 4, begin);
  EXPECT_EQ(chosen(request_of(owner("p"))), "10.1.0.1");
  ledger_.hide(ip("10.1.0.1"), 9, begin);
  ledger_.forget_hidden(begin + seconds(10));
  EXPECT_EQ(chosen(request_of(owner("p"))), "10.1.0.1");
}

TEST_F(LedgerTest, ListsFreeAddressesInOrder) {
  add_pool("a", {"10.1.0.0/29"});
  add_pool("b", {"fd00::/64"});
  ledger_.put(kept("10.1.0.2", "a", 1));
  const auto free = ledger_.list_free("", 7);
  ASSERT_TRUE(free);
  std::string text;
  for (const IpAddress& address : *free) {
    text += address.to_string() + " ";
  }
  EXPECT_EQ(text, "10.1.0.1 10.1.0.3 10.1.0.4 10.1.0.5 10.1.0.6 fd00::1 fd00::2 ");
  EXPECT_EQ(ledger_.list_free("a", 100)->size(), 5U);
  EXPECT_EQ(ledger_.list_free("x", 1).error().code(), Errc::kNotFound);
}

TEST_F(LedgerTest, CountsAllocationsOfEachPool) {
  add_pool("a", {"10.1.0.1-10.1.0.3"});
  ledger_.put(kept("10.1.0.1", "a", 1));
  ledger_.put(kept("10.1.0.2", "", 2));
  ledger_.put(kept("10.9.0.1", "a", 3));
  EXPECT_EQ(ledger_.state_of("a")->allocated, 2U);
  EXPECT_EQ(ledger_.state_of("a")->outside, 1U);
  add_pool("a", {"10.1.0.2-10.1.0.2"});
  EXPECT_EQ(ledger_.state_of("a")->allocated, 1U);
  EXPECT_EQ(ledger_.state_of("a")->outside, 2U);
  EXPECT_EQ(ledger_.state_of("a")->reason, "Exhausted");
  EXPECT_EQ(ledger_.state_of("x").error().code(), Errc::kNotFound);
}

}  // namespace
}  // namespace vk8s::ipmanager
