#include "cni/network_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::cni {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Of a node with the Pods 10.1.5.0/24.
constexpr std::string_view kConfig = R"({"cniVersion": "1.0.0", "name": "vk8s", "type": "ptp",
  "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"vk8s.sktelecom.com/ip": "10.1.200.7"}},
  "ipam": {"type": "vk8s-ipam", "dataDir": "/run/x",
           "ranges": [[{"subnet": "10.1.5.0/24"}]],
           "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}})";

NetworkConfig config_of(std::string_view text) {
  auto config = parse_network_config(text);
  EXPECT_TRUE(config) << config.error().message();
  return config ? *std::move(config) : NetworkConfig{};
}

NetworkConfig with_ipam(std::string_view ipam) {
  return config_of(fmt::format(R"({{"cniVersion": "1.0.0", "name": "n", "ipam": {}}})", ipam));
}

std::string refusal(std::string_view text) {
  const auto config = parse_network_config(text);
  return config ? "taken" : config.error().message();
}

template <class T>
std::string message(const Result<T>& result) {
  return result ? "taken" : result.error().message();
}

std::string placed(std::string_view address, std::string_view ipam,
                   bool is_gateway_bridge = false) {
  const auto ranges = parse_ranges(with_ipam(ipam));
  EXPECT_TRUE(ranges) << ranges.error().message();
  const auto place_found = place(*IpAddress::parse(address), *ranges, is_gateway_bridge);
  return place_found ? fmt::format("{}/{} via {}", address, place_found->prefix_length,
                                   place_found->gateway.to_string())
                     : place_found.error().message();
}

TEST(NetworkConfig, ReadsWhatIsForTheIpamPlugin) {
  const NetworkConfig config = config_of(kConfig);
  EXPECT_EQ(config.version, "1.0.0");
  EXPECT_EQ(config.name, "vk8s");
  EXPECT_EQ(config.delegate, "host-local");
  EXPECT_EQ(config.socket, "/run/vk8s/ipam.sock");
  EXPECT_EQ(config.store, "/run/vk8s/static-ips");
  EXPECT_TRUE(config.has_annotations);
  EXPECT_EQ(config.wanted_address, "10.1.200.7");
}

TEST(NetworkConfig, TellsAPodWithoutTheAnnotationFromOneWhoseAnnotationsAreNotHandedOn) {
  const auto with = [](std::string_view runtime_config) {
    return config_of(
        fmt::format(R"({{"cniVersion": "1.0.0", "name": "n", "ipam": {{}}, "runtimeConfig": {}}})",
                    runtime_config));
  };
  for (const char* handed_on : {R"({"io.kubernetes.cri.pod-annotations": null})",
                                R"({"io.kubernetes.cri.pod-annotations": {}})",
                                R"({"io.kubernetes.cri.pod-annotations": {"a": "b"}})"}) {
    EXPECT_TRUE(with(handed_on).has_annotations) << handed_on;
    EXPECT_FALSE(with(handed_on).wanted_address) << handed_on;
  }
  EXPECT_FALSE(with("{}").has_annotations);
  EXPECT_FALSE(with("null").has_annotations);
}

TEST(NetworkConfig, RefusesWhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not valid JSON"},
      {"[]", "must be an object"},
      {R"({"name": "n", "ipam": {}})",
       "cniVersion \"\" is not supported: there are 0.4.0, 1.0.0, "},
      {R"({"cniVersion": "0.3.1", "name": "n", "ipam": {}})", "cniVersion \"0.3.1\""},
      {R"({"cniVersion": "1.0.0", "ipam": {}})", "name \"\""},
      {R"({"cniVersion": "1.0.0", "name": "../n", "ipam": {}})", "name \"../n\""},
      {R"({"cniVersion": "1.0.0", "name": "n"})", "ipam must be an object"},
      {R"({"cniVersion": "1.0.0", "name": "n", "ipam": {"delegate": "../sh"}})", "ipam.delegate"},
      {R"({"cniVersion": "1.0.0", "name": "n", "ipam": {"delegate": "vk8s-ipam"}})",
       "ipam.delegate"},
      {R"({"cniVersion": "1.0.0", "name": "n", "ipam": {"store": "x"}})", "ipam.store"},
      {R"({"cniVersion": "1.0.0", "name": "n", "ipam": {"socket": 1}})", "ipam.socket"},
      {R"({"cniVersion": "1.0.0", "name": "n", "ipam": {}, "runtimeConfig":
           {"io.kubernetes.cri.pod-annotations": {"vk8s.sktelecom.com/ip": 7}}})",
       "annotation vk8s.sktelecom.com/ip"}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(refusal(text), HasSubstr(why)) << text;
  }
  EXPECT_EQ(parse_network_config(R"({"cniVersion": "2.0.0"})").error().code(), Errc::kUnsupported);
}

TEST(NetworkConfig, GivesTheDelegateAllOfItUnderItsOwnName) {
  const auto for_delegate = base::parse_json(config_for_delegate(config_of(kConfig)));
  ASSERT_TRUE(for_delegate);
  Json wanted = *base::parse_json(kConfig);
  wanted.get_object()["ipam"].get_object()["type"] = "host-local";
  EXPECT_EQ(*for_delegate, wanted);
}

TEST(NetworkConfig, TakesTheLongestPrefixThatHoldsTheAddressAndTheGateway) {
  constexpr std::string_view kNode = R"({"ranges": [[{"subnet": "10.1.5.0/24"}]]})";
  EXPECT_EQ(placed("10.1.200.7", kNode), "10.1.200.7/16 via 10.1.5.1");
  EXPECT_EQ(placed("10.1.4.9", kNode), "10.1.4.9/23 via 10.1.5.1");
  EXPECT_EQ(placed("10.1.255.255", kNode), "10.1.255.255/14 via 10.1.5.1") << "not a broadcast one";
  constexpr std::string_view kV6 = R"({"ranges": [[{"subnet": "10.1.5.0/24"}],
                                                  [{"subnet": "fd00:1:0:5::/64"}]]})";
  EXPECT_EQ(placed("fd00:1:0:c800::7", kV6), "fd00:1:0:c800::7/48 via fd00:1:0:5::1");
  EXPECT_THAT(placed("192.0.2.7", kNode), HasSubstr("are not of one network"));
  EXPECT_THAT(placed("fd00::7", kNode), HasSubstr("no IPv6 range"));
}

TEST(NetworkConfig, RefusesARangeThatEndsOutsideItsSubnet) {
  EXPECT_THAT(
      message(parse_ranges(with_ipam(R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.5.9"})"))),
      HasSubstr("ipam.rangeStart is 10.1.5.9: it is not in subnet 10.1.2.0/24"));
  EXPECT_THAT(
      message(parse_ranges(with_ipam(R"({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.5.9"})"))),
      HasSubstr("ipam.rangeEnd is 10.1.5.9"));
  EXPECT_EQ(placed("10.1.2.7", R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.100",
                                   "gateway": "169.254.1.1"})"),
            "10.1.2.7/24 via 169.254.1.1");
}

TEST(NetworkConfig, TakesMaskAndGatewayOfTheSubnetThatHoldsTheAddress) {
  constexpr std::string_view kShared = R"({"subnet": "10.1.0.0/16", "rangeStart": "10.1.1.0",
                                           "rangeEnd": "10.1.1.255", "gateway": "10.1.0.254"})";
  EXPECT_EQ(placed("10.1.2.7", kShared), "10.1.2.7/16 via 10.1.0.254");
}

TEST(NetworkConfig, RefusesAnAddressWhoseGatewayABridgeWouldHaveOnEachNodeAnew) {
  constexpr std::string_view kNode = R"({"ranges": [[{"subnet": "10.1.5.0/24"}]]})";
  EXPECT_THAT(placed("10.1.200.7", kNode, true),
              HasSubstr("address 10.1.200.7 lies outside 10.1.5.0/24, and the plugin in front is a "
                        "bridge with isGateway"));
  constexpr std::string_view kShared = R"({"subnet": "10.1.0.0/16", "rangeStart": "10.1.1.0",
                                           "rangeEnd": "10.1.1.255"})";
  EXPECT_EQ(placed("10.1.200.7", kShared, true), "10.1.200.7/16 via 10.1.0.1");

  const auto with = [](std::string_view in_front) {
    return config_of(
        fmt::format(R"({{"cniVersion": "1.0.0", "name": "n", "ipam": {{}}, {}}})", in_front));
  };
  EXPECT_TRUE(with(R"("type": "bridge", "isGateway": true)").is_gateway_bridge);
  EXPECT_TRUE(with(R"("type": "bridge", "isDefaultGateway": true)").is_gateway_bridge);
  EXPECT_FALSE(with(R"("type": "bridge", "isGateway": false)").is_gateway_bridge);
  EXPECT_FALSE(with(R"("type": "bridge", "isGateway": "yes")").is_gateway_bridge);
  EXPECT_FALSE(with(R"("type": "bridge")").is_gateway_bridge);
  EXPECT_FALSE(with(R"("type": "ptp", "isGateway": true)").is_gateway_bridge);
}

TEST(NetworkConfig, RefusesAnAddressThatTheDelegateMayGiveToAnotherPod) {
  constexpr std::string_view kTwo = R"({"ranges": [[
      {"subnet": "10.1.0.0/16", "rangeStart": "10.1.1.0", "rangeEnd": "10.1.1.255"},
      {"subnet": "10.1.0.0/16", "rangeStart": "10.1.3.0", "rangeEnd": "10.1.3.255"}]]})";
  EXPECT_THAT(placed("10.1.1.7", kTwo), HasSubstr("gives to its other pods"));
  EXPECT_THAT(placed("10.1.3.255", kTwo), HasSubstr("gives to its other pods"));
  EXPECT_EQ(placed("10.1.2.7", kTwo), "10.1.2.7/16 via 10.1.0.1");
  EXPECT_THAT(placed("10.1.0.1", kTwo), HasSubstr("is this node's own")) << "the gateway";
  EXPECT_THAT(placed("10.1.0.0", kTwo), HasSubstr("is this node's own")) << "the tunnel's end";
  EXPECT_THAT(placed("10.1.255.255", kTwo), HasSubstr("is this node's own"));
}

TEST(NetworkConfig, ReadsRangesOfTheRuntimeToo) {
  const auto ranges = parse_ranges(config_of(R"({"cniVersion": "1.0.0", "name": "n",
      "runtimeConfig": {"ipRanges": [[{"subnet": "10.2.0.0/24"}]]},
      "ipam": {"subnet": "10.3.0.0/24", "ranges": [[{"subnet": "10.4.0.0/24"}]]}})"));
  ASSERT_TRUE(ranges) << ranges.error().message();
  std::vector<std::string> subnets;
  for (const AddressRange& range : *ranges) {
    subnets.push_back(range.subnet.to_string());
  }
  EXPECT_THAT(subnets, ElementsAre("10.2.0.0/24", "10.3.0.0/24", "10.4.0.0/24"));
}

TEST(NetworkConfig, NamesTheRangeThatIsWrong) {
  for (const auto& [ipam, path] : std::vector<std::pair<const char*, const char*>>{
           {R"({"ranges": {}})", "ipam.ranges must be a list"},
           {R"({"ranges": [{}]})", "ipam.ranges[0] must be a list"},
           {R"({"ranges": [[{}]]})", "ipam.ranges[0][0].subnet"},
           {R"({"ranges": [[{"subnet": "10.1.0.1/16"}]]})", "ipam.ranges[0][0].subnet"},
           {R"({"ranges": [[{"subnet": "10.1.0.1/32"}]]})", "ipam.ranges[0][0].subnet"},
           {R"({"subnet": "10.1.0.0/16", "gateway": "fd00::1"})", "ipam.gateway"}}) {
    EXPECT_THAT(message(parse_ranges(with_ipam(ipam))), HasSubstr(path)) << ipam;
  }
}

TEST(NetworkConfig, HandsOnTheRoutesOfTheAddressesFamily) {
  const NetworkConfig config = config_of(kConfig);
  EXPECT_EQ(*routes_for(*IpAddress::parse("10.1.200.7"), config),
            (JsonArray{JsonObject{{"dst", "0.0.0.0/0"}}}));
  EXPECT_EQ(*routes_for(*IpAddress::parse("fd00::7"), config),
            (JsonArray{JsonObject{{"dst", "::/0"}}}));
}

TEST(NetworkConfig, ReadsThePreviousResult) {
  const auto addresses = previous_addresses(config_of(R"({"cniVersion": "1.0.0", "name": "n",
      "ipam": {}, "prevResult": {"ips": [{"address": "10.1.200.7/16"}, {"address": "fd00::7/64"}]}})"));
  ASSERT_TRUE(addresses) << addresses.error().message();
  EXPECT_THAT(*addresses,
              ElementsAre(*IpAddress::parse("10.1.200.7"), *IpAddress::parse("fd00::7")));
  EXPECT_EQ(message(previous_addresses(with_ipam("{}"))), "prevResult is missing");
}

TEST(NetworkConfig, ReadsTheAttachmentsThatAreValid) {
  const auto with = [](std::string_view list) {
    return valid_attachments(config_of(fmt::format(
        R"({{"cniVersion": "1.1.0", "name": "n", "ipam": {{}}, "cni.dev/valid-attachments": {}}})",
        list)));
  };
  EXPECT_THAT(*with(R"([{"containerID": "a", "ifname": "eth0"}])"),
              ElementsAre(Attachment{"a", "eth0"}));
  EXPECT_TRUE(with("[]")->empty());
  EXPECT_THAT(message(with("null")), HasSubstr("is missing")) << "no list is not an empty one";
}

}  // namespace
}  // namespace vk8s::cni
