#include "ipmanager/pool_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipmanager/test_objects.h"

namespace vk8s::ipmanager {
namespace {

using ::testing::HasSubstr;
using testing::ip;
using testing::owner;
using testing::pool_object;
using testing::request_of;

std::string addresses_of(const PoolBook& book, const std::string& pool) {
  std::string out;
  for (const IpRange& range : book.find(pool)->addresses.ranges()) {
    out += (out.empty() ? "" : " ") + range.to_string();
  }
  return out;
}

std::string reason_of(const PoolBook& book, const std::string& pool) {
  return PoolBook::state_of(*book.find(pool), 0, 0).reason;
}

TEST(PoolBook, GivesTheEarlierPoolWhatTwoHave) {
  PoolBook book;
  book.put_pool(pool_object("a", {"10.1.0.0/28"}, {}, "2026-02-02T00:00:00Z"));
  book.put_pool(pool_object("b", {"10.1.0.10-10.1.0.20"}, {}, "2026-01-01T00:00:00Z"));
  EXPECT_EQ(addresses_of(book, "b"), "10.1.0.10-10.1.0.20");
  EXPECT_EQ(addresses_of(book, "a"), "10.1.0.1-10.1.0.9");
  EXPECT_EQ(book.pools().front().pool.name, "b");
  EXPECT_EQ(reason_of(book, "b"), "Ready");
  EXPECT_EQ(reason_of(book, "a"), "Overlap");
  EXPECT_THAT(PoolBook::state_of(*book.find("a"), 0, 0).message, HasSubstr("VNodeIPPool b"));
  EXPECT_EQ(book.holder_of(ip("10.1.0.10"))->pool.name, "b");
  EXPECT_EQ(book.holder_of(ip("10.1.0.9"))->pool.name, "a");
  book.remove_pool("b");
  EXPECT_EQ(addresses_of(book, "a"), "10.1.0.1-10.1.0.14");
  EXPECT_EQ(reason_of(book, "a"), "Ready");
}

TEST(PoolBook, LeavesToALaterPoolWhatTheEarlierExcludesButNotItsEnds) {
  PoolBook book;
  book.put_pool(
      pool_object("a", {"10.1.0.0/28"},
                  {{"exclusions", JsonArray{"10.1.0.8-10.1.0.15"}}, {"gateway", "10.1.0.9"}}));
  book.put_pool(pool_object("b", {"10.1.0.8-10.1.0.12"}));
  EXPECT_EQ(reason_of(book, "b"), "Ready");
  // A gateway is nobody's.
  EXPECT_EQ(addresses_of(book, "b"), "10.1.0.8 10.1.0.10-10.1.0.12");
  book.put_pool(pool_object("c", {"10.1.0.0"}));
  EXPECT_EQ(reason_of(book, "c"), "Overlap");
  EXPECT_EQ(addresses_of(book, "c"), "");
}

TEST(PoolBook, GivesNothingOfWhatANodeGivesToItsPods) {
  PoolBook book;
  book.put_pool(pool_object("a", {"10.1.0.0/23", "fd00::/120"}));
  book.put_node("node-1",
                pod_networks_of(JsonObject{
                    {"spec", JsonObject{{"podCIDRs", JsonArray{"10.1.1.0/24", "fd00::/121"}}}}}));
  EXPECT_EQ(addresses_of(book, "a"), "10.1.0.1-10.1.0.255 fd00::80-fd00::ff");
  EXPECT_EQ(reason_of(book, "a"), "OverlapsNodes");
  EXPECT_THAT(book.why_not(ip("10.1.1.7")), HasSubstr("Node node-1"));
  book.remove_node("node-1");
  EXPECT_EQ(reason_of(book, "a"), "Ready");
}

TEST(PoolBook, ReadsTheNetworksOfANode) {
  EXPECT_EQ(pod_networks_of(JsonObject{{"spec", JsonObject{{"podCIDR", "10.0.0.0/24"}}}}).size(),
            1U);
  EXPECT_TRUE(
      pod_networks_of(JsonObject{{"spec", JsonObject{{"podCIDRs", JsonArray{"x", 1}}}}}).empty());
  EXPECT_TRUE(pod_networks_of(JsonObject()).empty());
}

TEST(PoolBook, SaysWhyAnAddressIsNotGiven) {
  PoolBook book;
  book.put_pool(pool_object("a", {"10.1.0.0/28"},
                            {{"exclusions", JsonArray{"10.1.0.3"}}, {"gateway", "10.1.0.1"}}));
  EXPECT_THAT(book.why_not(ip("10.1.0.1")), HasSubstr("is the gateway of VNodeIPPool a"));
  EXPECT_THAT(book.why_not(ip("10.1.0.3")), HasSubstr("spec.exclusions of VNodeIPPool a"));
  EXPECT_THAT(book.why_not(ip("10.1.0.15")), HasSubstr("network or broadcast address"));
  EXPECT_THAT(book.why_not(ip("10.9.0.1")), HasSubstr("10.9.0.1 is in no VNodeIPPool"));
}

TEST(PoolBook, KeepsAPoolThatCannotBeReadAndSaysWhy) {
  PoolBook book;
  book.put_pool(pool_object("a", {"10.1.0.9-10.1.0.5"}));
  const auto state = PoolBook::state_of(*book.find("a"), 0, 0);
  EXPECT_EQ(state.reason, "Invalid");
  EXPECT_THAT(state.message, HasSubstr("spec.ranges[0]"));
  EXPECT_EQ(state.capacity, 0U);
  EXPECT_THAT(book.find("a")->refusal(request_of(owner("p"))), HasSubstr("spec.ranges[0]"));
}

TEST(PoolBook, RefusesWhomThePoolIsNotFor) {
  PoolBook book;
  book.put_pool(pool_object(
      "a", {"10.1.0.0/28"},
      {{"namespaces", JsonArray{"team-a"}},
       {"clusterSelector", JsonObject{{"matchLabels", JsonObject{{"site", "north"}}}}}}));
  const PoolBook::Pool& pool = *book.find("a");
  EXPECT_THAT(pool.refusal(request_of(owner("p", "team-b"))), HasSubstr("namespace team-b"));
  AllocationRequest request = request_of(owner("p"));
  EXPECT_THAT(pool.refusal(request), HasSubstr("spec.clusterSelector"));
  request.cluster_labels["site"] = "north";
  EXPECT_EQ(pool.refusal(request), "");
}

TEST(PoolBook, CountsWhatIsTakenAndWhatLiesOutside) {
  PoolBook book;
  book.put_pool(pool_object("a", {"10.1.0.1-10.1.0.4"}));
  const auto state = [&](std::uint64_t allocated, std::uint64_t outside) {
    return PoolBook::state_of(*book.find("a"), allocated, outside);
  };
  EXPECT_EQ(state(3, 0).reason, "Ready");
  EXPECT_EQ(state(3, 0).capacity, 4U);
  EXPECT_EQ(state(4, 0).reason, "Exhausted");
  EXPECT_EQ(state(3, 2).reason, "Ready");
  EXPECT_THAT(state(3, 2).message, HasSubstr("2 allocated addresses lie outside"));
}

TEST(PoolBook, GivesNothingOfAPoolThatIsBeingDeletedAndNobodyElseDoes) {
  PoolBook book;
  Json deleted = pool_object("a", {"10.1.0.0/28"});
  deleted.at("metadata").as_object()["deletionTimestamp"] = "2026-02-02T00:00:00Z";
  book.put_pool(deleted);
  book.put_pool(pool_object("b", {"10.1.0.4-10.1.0.30"}));
  EXPECT_EQ(addresses_of(book, "a"), "");
  EXPECT_EQ(addresses_of(book, "b"), "10.1.0.16-10.1.0.30");
  EXPECT_THAT(book.why_not(ip("10.1.0.5")), HasSubstr("is being deleted"));
}

}  // namespace
}  // namespace vk8s::ipmanager
