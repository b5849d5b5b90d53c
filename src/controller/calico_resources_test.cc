#include "controller/calico_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::controller::calico {
namespace {

using testing::ElementsAre;

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }
Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }
Json json(std::string_view text) { return base::parse_json(text).value(); }

std::vector<std::string> blocks(std::initializer_list<std::string_view> ranges) {
  IpRangeSet set;
  for (const std::string_view range : ranges) {
    set.add(IpRange::parse(range).value());
  }
  std::vector<std::string> out;
  for (const Cidr& block : blocks_of(set)) {
    out.push_back(block.to_string());
  }
  return out;
}

TEST(CalicoPools, AreReadWithTheDefaultsOfCalico) {
  const auto pools = parse_pools(json(R"({"items":[
      {"metadata":{"name":"v4"},"spec":{"cidr":"10.1.0.0/16"}},
      {"metadata":{"name":"v6"},"spec":{"cidr":"fd00:1::/64","disabled":true}},
      {"metadata":{"name":"small"},"spec":{"cidr":"10.2.0.0/24","blockSize":29,
                   "allowedUses":["Workload"]}},
      {"metadata":{"name":"tunnels"},"spec":{"cidr":"10.3.0.0/24","allowedUses":["Tunnel"]}},
      {"metadata":{"name":"odd"},"spec":{"cidr":"10.4.0.0/24","blockSize":4}},
      {"metadata":{"name":"unreadable"},"spec":{"cidr":"10.5.0.0"}}]})"));
  ASSERT_EQ(pools.size(), 5U);
  EXPECT_EQ(pools[0].block_size, 26);
  EXPECT_FALSE(pools[0].disabled);
  EXPECT_TRUE(pools[0].for_pods);
  EXPECT_EQ(pools[1].block_size, 122);
  EXPECT_TRUE(pools[1].disabled);
  EXPECT_EQ(pools[2].block_size, 29);
  EXPECT_TRUE(pools[2].for_pods);
  EXPECT_FALSE(pools[3].for_pods);
  EXPECT_EQ(pools[4].block_size, 26) << "larger than the pool: not to be believed";
  EXPECT_TRUE(parse_pools(json("{}")).empty());
}

TEST(CalicoBlock, IsNamedAfterItsNetwork) {
  EXPECT_EQ(block_name(cidr("10.1.0.64/26")), "10-1-0-64-26");
  EXPECT_EQ(block_name(cidr("fd80:24e2:f998:72d6::/122")), "fd80-24e2-f998-72d6---122");
}

const char* const kBlock =
    R"({"spec":{"cidr":"10.1.0.64/29","allocations":[null,1,0,null,7,null,null,null],
    "attributes":[{"handle_id":"k8s-pod-network.abc","secondary":{"namespace":"team-a",
                   "pod":"web-0","node":"host-1"}},
                  {"handle_id":"vxlan-tunnel-addr-host-1"}]}})";

TEST(CalicoBlock, SaysWhoHasAnAddress) {
  const Json block = json(kBlock);
  EXPECT_EQ(holder_in_block(block, address("10.1.0.66"))->to_string(),
            "pod team-a/web-0 on node host-1");
  EXPECT_EQ(holder_in_block(block, address("10.1.0.65"))->to_string(),
            "handle vxlan-tunnel-addr-host-1");
  EXPECT_EQ(holder_in_block(block, address("10.1.0.68"))->to_string(),
            "somebody that Calico does not name");
  EXPECT_EQ(holder_in_block(block, address("10.1.0.67")), std::nullopt);
  EXPECT_EQ(holder_in_block(block, address("10.1.0.72")), std::nullopt) << "of another block";
  EXPECT_EQ(holder_in_block(json("{}"), address("10.1.0.66")), std::nullopt);
}

TEST(CalicoBlock, ThatIsGoingHoldsNothing) {
  Json block = json(kBlock);
  block.at("spec").as_object()["deleted"] = true;
  EXPECT_EQ(holder_in_block(block, address("10.1.0.66")), std::nullopt);
}

TEST(CalicoBlock, MayBeShorterThanItsNetwork) {
  EXPECT_EQ(holder_in_block(json(R"({"spec":{"cidr":"10.1.0.64/29","allocations":[0]}})"),
                            address("10.1.0.70")),
            std::nullopt);
}

TEST(Blocks, HoldExactlyTheAddresses) {
  EXPECT_THAT(blocks({"10.1.0.0/24"}), ElementsAre("10.1.0.0/24"));
  EXPECT_THAT(blocks({"10.1.0.5-10.1.0.9"}),
              ElementsAre("10.1.0.5/32", "10.1.0.6/31", "10.1.0.8/31"));
  EXPECT_THAT(blocks({"10.1.0.7", "fd00::/127", "10.1.0.6"}),
              ElementsAre("10.1.0.6/31", "fd00::/127"));
  EXPECT_THAT(blocks({"255.255.255.254-255.255.255.255"}), ElementsAre("255.255.255.254/31"));
  EXPECT_THAT(blocks({"0.0.0.0/0"}), ElementsAre("0.0.0.0/0"));
  EXPECT_THAT(blocks({}), ElementsAre());
}

TEST(Blocks, CoverAnySpanOnce) {
  for (int first = 0; first < 40; ++first) {
    for (int last = first; last < 40; ++last) {
      IpRangeSet set;
      set.add(IpRange::create(address("10.1.0." + std::to_string(first)),
                              address("10.1.0." + std::to_string(last)))
                  .value());
      std::uint64_t sum = 0;
      IpRangeSet covered;
      for (const Cidr& block : blocks_of(set)) {
        sum += block.size();
        covered.add(IpRange::create(block.network(), block.last()).value());
      }
      EXPECT_EQ(covered, set) << first << " to " << last;
      EXPECT_EQ(sum, set.size()) << first << " to " << last;
    }
  }
}

}  // namespace
}  // namespace vk8s::controller::calico
