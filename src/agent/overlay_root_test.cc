#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "agent/two_test_nodes.h"
#include "base/unique_fd.h"

namespace vk8s::agent {
namespace {

Result<UniqueFd> udp_socket(const sys::NetNs& space, const std::string& address, int port) {
  UniqueFd fd;
  const Status made = space.run([&]() -> Status {
    fd.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      return fail_errno(errno, "bind {}", address);
    }
    const timeval limit{.tv_sec = 0, .tv_usec = 300'000};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return {};
  });
  if (!made) {
    return tl::unexpected<Error>(made.error());
  }
  return fd;
}

class OverlayRootTest : public TwoNodesTest {
 protected:
  // Sends one datagram from left's tunnel end to right's.
  bool arrives() { return arrives(right_.tunnel_address()); }
  // To an address that right has.
  bool arrives(const std::string& address) {
    const auto receiver = udp_socket(*right_.space, address, 9000);
    const auto sender = udp_socket(*left_.space, left_.tunnel_address(), 9001);
    EXPECT_TRUE(receiver && sender);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9000);
    ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    if (::sendto(sender->get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) !=
        5) {
      return false;  // no route
    }
    std::array<char, 16> buffer{};
    return ::recv(receiver->get(), buffer.data(), buffer.size(), 0) == 5;
  }
  // Link and metric of each route to one address alone.
  static std::vector<std::pair<std::string, std::uint32_t>> static_routes(const TestNode& node) {
    std::vector<std::pair<std::string, std::uint32_t>> out;
    auto netlink = sys::Netlink::open_in(*node.space);
    const auto routes = netlink->list_routes();
    EXPECT_TRUE(routes);
    for (const sys::Route& route : *routes) {
      if (route.destination.ends_with("/32")) {
        out.emplace_back(route.link, route.metric);
      }
    }
    return out;
  }
};

TEST_F(OverlayRootTest, CarriesPacketsBetweenNodesThatKnowEachOther) {
  const std::vector<OverlayPeer> both = {left_.peer(), right_.peer()};
  set_peers(left_, both);
  set_peers(right_, both);
  EXPECT_TRUE(arrives());
}

TEST_F(OverlayRootTest, DropsPacketsOfANodeThatIsNotOfTheCluster) {
  set_peers(left_, {left_.peer(), right_.peer()});
  EXPECT_FALSE(arrives()) << "before any node is known";
  set_peers(right_, {right_.peer()});
  EXPECT_FALSE(arrives()) << "once the nodes are known";
  set_peers(right_, {left_.peer(), right_.peer()});
  EXPECT_TRUE(arrives());
}

TEST_F(OverlayRootTest, ForgetsANodeThatHasLeft) {
  set_peers(left_, {left_.peer(), right_.peer()});
  set_peers(left_, {left_.peer()});
  auto netlink = sys::Netlink::open_in(*left_.space);
  const std::string link(kOverlayLink);
  EXPECT_THAT(*netlink->list_fdb(link), testing::IsEmpty());
  EXPECT_THAT(*netlink->list_neighbours(link), testing::IsEmpty());
  const auto routes = netlink->list_routes();
  ASSERT_TRUE(routes);
  for (const sys::Route& route : *routes) {
    EXPECT_NE(route.destination, right_.config.pod_cidr);
  }
}

TEST_F(OverlayRootTest, FollowsAStaticAddressFromNodeToNode) {
  constexpr const char* kAddress = "100.72.200.7";
  OverlayPeer right = right_.peer();
  right.static_addresses = {*IpAddress::parse(kAddress)};
  auto there = sys::Netlink::open_in(*right_.space);
  ASSERT_TRUE(there->add_address("lo", std::string(kAddress) + "/32"));
  set_peers(left_, {left_.peer(), right});
  set_peers(right_, {left_.peer(), right});
  EXPECT_TRUE(arrives(kAddress));

  // Its pod is here now: the interface's own route stands above the tunnel's.
  auto here = sys::Netlink::open_in(*left_.space);
  ASSERT_TRUE(here->create_bridge("pod"));
  ASSERT_TRUE(here->set_up("pod"));
  ASSERT_TRUE(here->replace_route({.destination = std::string(kAddress) + "/32", .link = "pod"}));
  EXPECT_FALSE(arrives(kAddress));
  set_peers(left_, {left_.peer(), right_.peer()});
  EXPECT_THAT(static_routes(left_), testing::ElementsAre(testing::Pair("pod", 0U)));

  // And there again.
  set_peers(left_, {left_.peer(), right});
  EXPECT_THAT(static_routes(left_),
              testing::UnorderedElementsAre(testing::Pair("pod", 0U),
                                            testing::Pair(std::string(kOverlayLink), 1024U)));
  ASSERT_TRUE(here->delete_link("pod"));
  EXPECT_TRUE(arrives(kAddress));
}

TEST_F(OverlayRootTest, FollowsANodeThatCameBackWithAnotherAddress) {
  OverlayPeer moved = right_.peer();
  moved.node_ip = "198.18.200.77";
  set_peers(left_, {left_.peer(), right_.peer()});
  set_peers(left_, {left_.peer(), moved});
  auto netlink = sys::Netlink::open_in(*left_.space);
  const auto fdb = *netlink->list_fdb(std::string(kOverlayLink));
  ASSERT_EQ(fdb.size(), 1U);
  EXPECT_EQ(fdb[0].remote_address, "198.18.200.77");
}

// Calico drops what a workload sends to UDP port 4789, and IP-in-IP.
TEST_F(OverlayRootTest, PassesAHostNetworkThatDropsTheVxlanOfWorkloads) {
  const Status filtered = right_.space->run([]() -> Status {
    sys::SpawnOptions nft{.argv = {"nft", "-f", "-"}, .environment = sys::scrubbed_environment()};
    VK8S_TRY(sys::check_command(std::move(nft), {.standard_input = R"(table ip host-network {
  chain from-workload {
    type filter hook prerouting priority raw; policy accept;
    udp dport 4789 drop
    ip protocol ipip drop
  }
})"}));
    return {};
  });
  ASSERT_TRUE(filtered) << filtered.error().message();
  const std::vector<OverlayPeer> both = {left_.peer(), right_.peer()};
  set_peers(left_, both);
  set_peers(right_, both);
  EXPECT_TRUE(arrives());
}

}  // namespace
}  // namespace vk8s::agent
