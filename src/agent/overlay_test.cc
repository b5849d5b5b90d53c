#include "agent/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

api::NodeConfig node_config() {
  api::NodeConfig config;
  config.node_name = "demo-master-1";
  config.pod_network_cidr = "100.72.0.0/16";
  config.pod_cidr = "100.72.0.0/24";
  return config;
}

Json node(std::string_view name, std::string_view ip, std::string_view pod_cidr) {
  return {{"metadata", {{"name", name}}},
          {"spec", {{"podCIDR", pod_cidr}}},
          {"status",
           {{"addresses", JsonArray{JsonObject{{"type", "Hostname"}, {"address", name}},
                                    JsonObject{{"type", "InternalIP"}, {"address", ip}}}}}}};
}

TEST(Overlay, ReadsAPeerOfANode) {
  const auto peer = read_peer(node("demo-worker-1", "198.19.0.7", "100.72.1.0/24"), node_config());
  ASSERT_TRUE(peer);
  EXPECT_EQ(*peer, (OverlayPeer{"demo-worker-1", "198.19.0.7", "100.72.1.0/24"}));
}

TEST(Overlay, IgnoresNodesWithoutAUsableAddressOrPodCidr) {
  for (const auto& [ip, cidr] : std::vector<std::pair<const char*, const char*>>{
           {"", "100.72.1.0/24"},
           {"198.19.0.7", ""},
           {"198.19.0.7; drop", "100.72.1.0/24"},
           {"fd00::1", "100.72.1.0/24"},
           {"198.19.0.7", "10.0.0.0/24"},       // another network: it would be a hijack
           {"198.19.0.7", "100.72.0.0/16"}}) {  // all pods of the cluster
    EXPECT_FALSE(read_peer(node("n", ip, cidr), node_config())) << ip << " " << cidr;
  }
}

TEST(Overlay, RoutesTheOtherNodesPodsThroughTheirTunnelEnds) {
  const auto state =
      overlay_state(node_config(), {{"demo-master-1", "198.19.0.6", "100.72.0.0/24"},
                                    {"demo-worker-1", "198.19.0.7", "100.72.1.0/24"}});
  ASSERT_TRUE(state) << state.error().message();
  ASSERT_EQ(state->routes.size(), 1U);
  EXPECT_EQ(state->routes[0].destination, "100.72.1.0/24");
  EXPECT_EQ(state->routes[0].gateway, "100.72.1.0");
  EXPECT_EQ(state->routes[0].source, "100.72.0.0");
  EXPECT_TRUE(state->routes[0].on_link);
  EXPECT_THAT(state->fdb, ElementsAre(sys::FdbEntry{"0a:58:64:48:01:00", "198.19.0.7",
                                                    std::string(kOverlayLink)}));
  EXPECT_THAT(state->neighbours, ElementsAre(sys::Neighbour{"100.72.1.0", "0a:58:64:48:01:00",
                                                            std::string(kOverlayLink)}));
}

TEST(Overlay, HasNoRouteWhereThereIsOneNode) {
  const auto state =
      overlay_state(node_config(), {{"demo-master-1", "198.19.0.6", "100.72.0.0/24"}});
  ASSERT_TRUE(state);
  EXPECT_THAT(state->routes, IsEmpty());
}

TEST(Overlay, FiltersByTheAddressesOfTheNodes) {
  const std::string rules =
      overlay_rules({{"a", "198.19.0.6", "100.72.0.0/24"}, {"b", "198.19.0.7", "100.72.1.0/24"}});
  EXPECT_THAT(rules, HasSubstr("elements = { 198.19.0.6, 198.19.0.7 }"));
  EXPECT_THAT(rules, HasSubstr("udp dport 14789 ip saddr != @peers drop"));
  EXPECT_THAT(overlay_rules({}), Not(HasSubstr("elements")));
}

TEST(Overlay, RoutesStaticAddressesToTheNodeThatHasThemBelowLocalRoutes) {
  std::vector<OverlayPeer> peers = {{"demo-master-1", "198.19.0.6", "100.72.0.0/24"},
                                    {"demo-worker-1", "198.19.0.7", "100.72.1.0/24", 1372}};
  const IpAddress here = *IpAddress::parse("100.72.200.6");
  const IpAddress there = *IpAddress::parse("100.72.200.7");
  add_static_addresses({{"demo-master-1", {here}}, {"demo-worker-1", {there}}, {"gone", {here}}},
                       node_config(), peers);
  const auto state = overlay_state(node_config(), peers);
  ASSERT_TRUE(state) << state.error().message();
  ASSERT_EQ(state->routes.size(), 2U);
  EXPECT_EQ(state->routes[1], (sys::Route{.destination = "100.72.200.7/32",
                                          .gateway = "100.72.1.0",
                                          .link = std::string(kOverlayLink),
                                          .source = "100.72.0.0",
                                          .metric = 1024,
                                          .on_link = true,
                                          .mtu = 1372}));
}

TEST(Overlay, RoutesNoStaticAddressThatWouldTakeOthersPackets) {
  std::vector<OverlayPeer> peers = {{"demo-worker-1", "198.19.0.7", "100.72.1.0/24"},
                                    {"demo-worker-2", "198.19.0.8", "100.72.2.0/24"}};
  std::vector<IpAddress> addresses;
  for (const char* text : {"198.19.0.8",  // a node
                           "100.80.0.1",  // a Service
                           "100.72.0.7",  // pods of this node
                           "100.72.1.7",  // of its own
                           "100.72.2.7",  // of another
                           "fd00::7"}) {
    addresses.push_back(*IpAddress::parse(text));
  }
  add_static_addresses({{"demo-worker-1", addresses}}, node_config(), peers);
  EXPECT_THAT(peers[0].static_addresses, IsEmpty());
}

TEST(Overlay, HoldsPacketsToWhatThePathCarries) {
  const auto state = overlay_state(node_config(), {{"a", "198.19.0.7", "100.72.1.0/24", 1372},
                                                   {"b", "198.19.0.8", "100.72.2.0/24"}});
  ASSERT_TRUE(state);
  EXPECT_THAT(state->routes, ElementsAre(testing::Field(&sys::Route::mtu, 1372U),
                                         testing::Field(&sys::Route::mtu, 0U)));
}

}  // namespace
}  // namespace vk8s::agent
