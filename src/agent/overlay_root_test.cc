#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "agent/network.h"
#include "agent/overlay.h"
#include "base/unique_fd.h"
#include "sys/file.h"
#include "sys/netns.h"

namespace vk8s::agent {
namespace {

using std::chrono::milliseconds;

// One node: a network namespace, its configuration, its overlay.
struct TestNode {
  std::string name;
  std::string ip;
  api::NodeConfig config;
  std::optional<sys::NetNs> space;

  OverlayPeer peer() const { return {name, ip, config.pod_cidr}; }
  std::string tunnel_address() const {
    return config.pod_cidr.substr(0, config.pod_cidr.find('/'));
  }
};

TestNode make_node(int number) {
  TestNode node;
  node.name = fmt::format("vk8s-t-{}-n{}", ::getpid(), number);
  node.ip = fmt::format("198.18.200.{}", number);
  node.config.node_name = node.name;
  node.config.pod_network_cidr = "100.72.0.0/16";
  node.config.pod_cidr = fmt::format("100.72.{}.0/24", number);
  return node;
}

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

class OverlayRootTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(std::move(*sys::TempDir::create()));
    paths_.run = folder_->path();
    for (TestNode* node : {&left_, &right_}) {
      auto space = sys::NetNs::create(node->name);
      if (!space && space.error().code() == Errc::kForbidden) {
        GTEST_SKIP() << "needs root and network namespaces: " << space.error().message();
      }
      ASSERT_TRUE(space) << space.error().message();
      node->space.emplace(std::move(*space));
    }
    auto left = sys::Netlink::open_in(*left_.space);
    ASSERT_TRUE(left->create_veth(
        {.name = "eth0", .peer_name = "eth0", .peer_namespace = &*right_.space}));
    auto right = sys::Netlink::open_in(*right_.space);
    ASSERT_TRUE(left->add_address("eth0", left_.ip + "/24"));
    ASSERT_TRUE(right->add_address("eth0", right_.ip + "/24"));
    ASSERT_TRUE(left->set_up("eth0"));
    ASSERT_TRUE(right->set_up("eth0"));
    start(left_);
    start(right_);
  }
  void TearDown() override {
    for (const TestNode* node : {&left_, &right_}) {
      EXPECT_TRUE(sys::NetNs::remove(node->name));
    }
  }

  static void start(const TestNode& node) {
    NodeFacts facts;
    facts.node_ip = node.ip;
    // Twice: a container that starts again finds what it left.
    for (int i = 0; i < 2; ++i) {
      const Status up = node.space->run([&] { return set_up_network(node.config, facts); });
      ASSERT_TRUE(up) << up.error().message();
    }
  }

  void set_peers(const TestNode& node, const std::vector<OverlayPeer>& peers) {
    const Status set = node.space->run([&]() -> Status {
      EventLoop loop;
      LoopProcessRunner runner(loop);
      Overlay overlay(loop, runner, paths_, node.config, Log::silent());
      overlay.set_peers({});
      overlay.set_peers(peers);  // while the first still is under way
      Registration check;
      std::function<void()> look = [&] {
        if (overlay.is_applied()) {
          loop.stop();
        } else {
          check = loop.after(milliseconds(5), look);
        }
      };
      look();
      const Registration deadline = loop.after(std::chrono::seconds(10), [&] { loop.stop(); });
      loop.run();
      return overlay.is_applied() ? Status() : fail(Errc::kTimeout, "the overlay was not set");
    });
    ASSERT_TRUE(set) << set.error().message();
  }

  // Sends one datagram from left's tunnel end to right's.
  bool arrives() {
    const auto receiver = udp_socket(*right_.space, right_.tunnel_address(), 9000);
    const auto sender = udp_socket(*left_.space, left_.tunnel_address(), 9001);
    EXPECT_TRUE(receiver && sender);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9000);
    ::inet_pton(AF_INET, right_.tunnel_address().c_str(), &to.sin_addr);
    if (::sendto(sender->get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) != 5) {
      return false;  // no route
    }
    std::array<char, 16> buffer{};
    return ::recv(receiver->get(), buffer.data(), buffer.size(), 0) == 5;
  }

  std::optional<sys::TempDir> folder_;
  NodePaths paths_;
  TestNode left_ = make_node(1);
  TestNode right_ = make_node(2);
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
