#include "api/ip_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

using testing::HasSubstr;

Json pool(JsonObject spec) {
  return JsonObject{
      {"metadata",
       JsonObject{{"name", "edge"}, {"uid", "u"}, {"creationTimestamp", "2026-01-01T00:00:00Z"}}},
      {"spec", std::move(spec)}};
}

std::string addresses_of(JsonObject spec) {
  const auto parsed = parse_ip_pool(pool(std::move(spec)));
  if (!parsed) {
    return parsed.error().message();
  }
  std::string out;
  for (const IpRange& range : parsed->addresses.ranges()) {
    out += (out.empty() ? "" : " ") + range.to_string();
  }
  return out;
}

TEST(IpPool, ReadsWhatAUserWrites) {
  const auto parsed = parse_ip_pool(
      pool({{"ranges", JsonArray{"10.1.0.0/24", "10.2.0.5-10.2.0.9"}},
            {"exclusions", JsonArray{"10.1.0.64/26"}},
            {"gateway", "10.1.0.1"},
            {"namespaces", JsonArray{"team-a"}},
            {"clusterSelector", JsonObject{{"matchLabels", JsonObject{{"site", "north"}}}}}}));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->name, "edge");
  EXPECT_EQ(parsed->uid, "u");
  EXPECT_FALSE(parsed->being_deleted);
  EXPECT_EQ(parsed->gateway, "10.1.0.1");
  EXPECT_EQ(parsed->addresses.size(), 256U - 2 - 1 - 64 + 5);
}

TEST(IpPool, NeverGivesTheEndsOfANetwork) {
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0/30"}}}), "10.1.0.1-10.1.0.2");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0/31"}}}), "10.1.0.0-10.1.0.1");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0/32"}}}), "10.1.0.0");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0-10.1.0.3"}}}), "10.1.0.0-10.1.0.3");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"fd00::/126"}}}), "fd00::1-fd00::3");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"fd00::/127"}}}), "fd00::-fd00::1");
  // Nor where a second entry would let them in again.
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0/30", "10.1.0.0-10.1.0.2"}}}),
            "10.1.0.1-10.1.0.2");
}

TEST(IpPool, LeavesOutExclusionsAndTheGateway) {
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.0/29"}},
                          {"exclusions", JsonArray{"10.1.0.3-10.1.0.4"}},
                          {"gateway", "10.1.0.1"}}),
            "10.1.0.2 10.1.0.5-10.1.0.6");
  EXPECT_EQ(addresses_of({{"ranges", JsonArray{"10.1.0.5"}}, {"gateway", "10.9.0.1"}}), "10.1.0.5");
  EXPECT_EQ(
      addresses_of({{"ranges", JsonArray{"10.1.0.5"}}, {"exclusions", JsonArray{"10.0.0.0/8"}}}),
      "");
}

TEST(IpPool, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(addresses_of({}), HasSubstr("spec.ranges is empty"));
  EXPECT_THAT(addresses_of({{"ranges", JsonArray{"10.1.0.1", "10.1.0.9-10.1.0.5"}}}),
              HasSubstr("spec.ranges[1]"));
  EXPECT_THAT(addresses_of({{"ranges", JsonArray{"10.1.0.1/24"}}}), HasSubstr("spec.ranges[0]"));
  EXPECT_THAT(addresses_of({{"ranges", JsonArray{"::ffff:10.1.0.1"}}}),
              HasSubstr("spec.ranges[0]"));
  EXPECT_THAT(addresses_of({{"ranges", "10.1.0.1"}}), HasSubstr("spec.ranges must be a list"));
  EXPECT_THAT(addresses_of({{"ranges", JsonArray{"10.1.0.1"}}, {"exclusions", JsonArray{"x"}}}),
              HasSubstr("spec.exclusions[0]"));
  EXPECT_THAT(addresses_of({{"ranges", JsonArray{"10.1.0.1"}}, {"gateway", "x"}}),
              HasSubstr("spec.gateway"));
  JsonArray many(kMaxPoolRanges + 1, "10.1.0.1");
  EXPECT_THAT(addresses_of({{"ranges", many}}), HasSubstr("65 entries: 64 at most"));
}

TEST(IpPool, IsForItsNamespacesAndClusters) {
  const std::map<std::string, std::string> north{{"site", "north"}, {"x", "y"}};
  IpPool all;
  EXPECT_TRUE(all.allows("team-a", {}));
  IpPool some;
  some.namespaces = {"team-a", "team-b"};
  EXPECT_TRUE(some.allows("team-b", {}));
  EXPECT_FALSE(some.allows("team-c", {}));
  some.cluster_labels = {{"site", "north"}};
  EXPECT_TRUE(some.allows("team-a", north));
  EXPECT_FALSE(some.allows("team-a", {{"site", "south"}}));
  EXPECT_FALSE(some.allows("team-a", {}));
  EXPECT_FALSE(some.allows("team-c", north));
}

TEST(IpPool, HasFirstClaimByAgeThenByName) {
  IpPool a;
  a.name = "a";
  a.creation_timestamp = "2026-01-02T00:00:00Z";
  IpPool b;
  b.name = "b";
  b.creation_timestamp = "2026-01-01T23:59:59Z";
  EXPECT_TRUE(is_earlier(b, a));
  b.creation_timestamp = a.creation_timestamp;
  EXPECT_TRUE(is_earlier(a, b));
  EXPECT_FALSE(is_earlier(a, a));
}

}  // namespace
}  // namespace vk8s::api
