#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "agent/mtu_probe.h"
#include "agent/two_test_nodes.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace vk8s::agent {
namespace {

constexpr int kLinkMtu = 1450;
constexpr int kCarried = 1372;  // inside the tunnel
constexpr std::size_t kStreamBytes = 60'000;

// The loop's time, ten times as fast: there is nothing to wait for on a veth.
class FastTimers final : public Timers {
 public:
  explicit FastTimers(EventLoop& loop) : loop_(loop) {}
  TimePoint now() const override { return TimePoint((loop_.now() - TimePoint()) * 10); }
  Registration after(std::chrono::nanoseconds delay, Callback callback) override {
    return loop_.after(delay / 10, std::move(callback));
  }

 private:
  EventLoop& loop_;
};

sockaddr_in address_of(const std::string& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

void set_time_limit(const UniqueFd& fd, std::chrono::milliseconds time) {
  const timeval limit{.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int segment_bytes(const UniqueFd& fd) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  ::getsockopt(fd.get(), IPPROTO_TCP, TCP_MAXSEG, &bytes, &size);
  return bytes;
}

// A veth hands over many segments as one long packet, which no cable does.
Status send_each_segment(const std::string& link) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value off{.cmd = ETHTOOL_STSO, .data = 0};
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&off);
  return ::ioctl(fd.get(), SIOCETHTOOL, &request) == 0
             ? Status()
             : fail_errno(errno, "segmentation of {}", link);
}

// Whether a stream that does not fit in one packet arrives in time.
bool arrives(const UniqueFd& from, const UniqueFd& to, std::chrono::milliseconds time) {
  set_time_limit(to, time);
  const std::string sent(kStreamBytes, 'x');
  if (::send(from.get(), sent.data(), sent.size(), MSG_DONTWAIT) !=
      static_cast<ssize_t>(sent.size())) {
    return false;
  }
  std::string buffer(kStreamBytes, '\0');
  std::size_t received = 0;
  while (received < kStreamBytes) {
    const auto got = ::recv(to.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      return false;
    }
    received += static_cast<std::size_t>(got);
  }
  return true;
}

struct Connection {
  UniqueFd left;
  UniqueFd right;
};

class MtuProbeRootTest : public TwoNodesTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(TwoNodesTest::SetUp());
    if (IsSkipped()) {
      return;
    }
    for (const TestNode* node : {&left_, &right_}) {
      set_path_mtu(*node, 0);
      ASSERT_TRUE(node->space->run([] { return send_each_segment("eth0"); }));
    }
  }
  void TearDown() override {
    for (const std::string& name : pods_) {
      EXPECT_TRUE(sys::NetNs::remove(name));
    }
    TwoNodesTest::TearDown();
  }

  void set_path_mtu(const TestNode& node, int mtu) {
    std::vector<OverlayPeer> peers = {left_.peer(), right_.peer()};
    for (OverlayPeer& peer : peers) {
      peer.path_mtu = mtu;
    }
    set_peers(node, peers);
  }

  static void set_rules(const TestNode& node, const std::string& rules) {
    const Status set = node.space->run([&]() -> Status {
      sys::SpawnOptions nft{.argv = {"nft", "-f", "-"}, .environment = sys::scrubbed_environment()};
      VK8S_TRY(sys::check_command(std::move(nft), {.standard_input = rules}));
      return {};
    });
    ASSERT_TRUE(set) << set.error().message();
  }

  // Before anything puts fragments together.
  void drop_between_nodes(const std::string& what) {
    for (const TestNode* node : {&left_, &right_}) {
      set_rules(*node, fmt::format(R"(table ip network {{
  chain arriving {{
    type filter hook prerouting priority -500; policy accept;
    iifname "eth0" {} drop
  }}
}})",
                                   what));
    }
  }

  // What left finds of the way to right; the device's MTU once a packet of that size
  // was answered.
  int find_path_mtu() {
    int found = 0;
    const Status probed = left_.space->run([&]() -> Status {
      EventLoop loop;
      FastTimers timers(loop);
      MtuProbe probe(
          timers,
          [&](const IpAddress& to, const EchoSocket::OnAnswer& on_answer) {
            return open_icmp_echo(loop, std::string(kOverlayLink), to,
                                  [&, on_answer](std::uint16_t sequence, std::size_t bytes) {
                                    if (bytes == std::size_t{kLinkMtu}) {
                                      found = kLinkMtu;
                                      loop.stop();
                                    }
                                    on_answer(sequence, bytes);
                                  });
          },
          kLinkMtu, Log::silent());
      probe.on_change([&] {
        found = probe.path_mtu(right_.name).value_or(0);
        loop.stop();
      });
      const Registration deadline = loop.after(std::chrono::seconds(30), [&] { loop.stop(); });
      probe.set_peers({right_.peer()});
      loop.run();
      return {};
    });
    EXPECT_TRUE(probed) << probed.error().message();
    return found;
  }

  // A pod as the CNI plugin ptp makes it, before anything was known of the path.
  Result<sys::NetNs> make_pod(const TestNode& node) {
    const std::string name = node.name + "-pod";
    sys::NetNs pod = VK8S_TRY(sys::NetNs::create(name));
    pods_.push_back(name);
    sys::Netlink outside = VK8S_TRY(sys::Netlink::open_in(*node.space));
    sys::Netlink inside = VK8S_TRY(sys::Netlink::open_in(pod));
    VK8S_TRY(outside.create_veth(
        {.name = "veth0", .peer_name = "eth0", .peer_namespace = &pod, .mtu = kLinkMtu}));
    VK8S_TRY(outside.add_address("veth0", gateway(node) + "/32"));
    VK8S_TRY(inside.add_address("eth0", pod_address(node) + "/32"));
    VK8S_TRY(outside.set_up("veth0"));
    VK8S_TRY(inside.set_up("eth0"));
    VK8S_TRY(outside.replace_route({.destination = pod_address(node) + "/32", .link = "veth0"}));
    VK8S_TRY(inside.replace_route(
        {.destination = "0.0.0.0/0", .gateway = gateway(node), .link = "eth0", .on_link = true}));
    VK8S_TRY(node.space->write_sysctl("net.ipv4.ip_forward", "1"));
    return pod;
  }
  static std::string pod_address(const TestNode& node) {
    return node.config.pod_cidr.substr(0, node.config.pod_cidr.rfind('.')) + ".5";
  }
  static std::string gateway(const TestNode& node) {
    return node.config.pod_cidr.substr(0, node.config.pod_cidr.rfind('.')) + ".1";
  }

  Result<Connection> connect_pods(const sys::NetNs& left, const sys::NetNs& right) {
    UniqueFd listener;
    Connection both;
    VK8S_TRY(right.run([&]() -> Status {
      listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      const sockaddr_in own = address_of(pod_address(right_), 9000);
      if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
          ::listen(listener.get(), 1) != 0) {
        return fail_errno(errno, "listen in the pod");
      }
      return {};
    }));
    VK8S_TRY(left.run([&]() -> Status {
      both.left.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      set_time_limit(both.left, std::chrono::seconds(10));
      const sockaddr_in to = address_of(pod_address(right_), 9000);
      if (::connect(both.left.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        return fail_errno(errno, "connect from the pod");
      }
      return {};
    }));
    set_time_limit(listener, std::chrono::seconds(10));
    both.right.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!both.right) {
      return fail_errno(errno, "accept in the pod");
    }
    return both;
  }

  std::vector<std::string> pods_;
};

TEST_F(MtuProbeRootTest, BelievesAPathThatCarriesWhatTheDeviceClaims) {
  EXPECT_EQ(find_path_mtu(), kLinkMtu);
}

TEST_F(MtuProbeRootTest, FindsWhatAPathCarriesThatLosesLargePackets) {
  drop_between_nodes(fmt::format("meta length > {}", kCarried + 50));
  EXPECT_EQ(find_path_mtu(), kCarried);
  set_path_mtu(left_, kCarried);
  EXPECT_EQ(find_path_mtu(), kCarried) << "the routes do not hold the probe itself";
  set_rules(left_, "delete table ip network");
  set_rules(right_, "delete table ip network");
  EXPECT_EQ(find_path_mtu(), kLinkMtu) << "so it finds a path that was mended";
}

// The tunnel's own packets may be fragmented: it has no DF.
TEST_F(MtuProbeRootTest, BelievesAPathThatCarriesFragments) {
  for (const TestNode* node : {&left_, &right_}) {
    ASSERT_TRUE(sys::Netlink::open_in(*node->space)->set_mtu("eth0", kCarried + 50));
  }
  EXPECT_EQ(find_path_mtu(), kLinkMtu);
  drop_between_nodes("ip frag-off & 0x3fff != 0");
  EXPECT_EQ(find_path_mtu(), kCarried) << "of a path that loses fragments";
}

TEST_F(MtuProbeRootTest, LetsTheTcpOfTheNodeItselfProbe) {
  EXPECT_EQ(base::trim(*left_.space->read_sysctl("net.ipv4.tcp_mtu_probing")), "1");
}

TEST_F(MtuProbeRootTest, CarriesTheConnectionsOfPodsThatRunAlready) {
  drop_between_nodes(fmt::format("meta length > {}", kCarried + 50));
  const auto left = make_pod(left_);
  const auto right = make_pod(right_);
  ASSERT_TRUE(left && right);
  const auto lost = connect_pods(*left, *right);
  ASSERT_TRUE(lost) << lost.error().message();
  EXPECT_FALSE(arrives(lost->left, lost->right, std::chrono::milliseconds(300)))
      << "the fault, with nothing done about it";
  const auto open = connect_pods(*left, *right);
  ASSERT_TRUE(open) << open.error().message();
  EXPECT_GT(segment_bytes(open->left), kCarried - 40);
  set_path_mtu(left_, kCarried);
  set_path_mtu(right_, kCarried);
  EXPECT_TRUE(arrives(open->left, open->right, std::chrono::seconds(10)));
  EXPECT_TRUE(arrives(open->right, open->left, std::chrono::seconds(10)));
}

TEST_F(MtuProbeRootTest, OneNodeThatKnowsHoldsBothEndsOfAConnectionToIt) {
  drop_between_nodes(fmt::format("meta length > {}", kCarried + 50));
  const auto left = make_pod(left_);
  const auto right = make_pod(right_);
  ASSERT_TRUE(left && right);
  set_path_mtu(left_, kCarried);
  const auto open = connect_pods(*left, *right);
  ASSERT_TRUE(open) << open.error().message();
  EXPECT_LE(segment_bytes(open->left), kCarried - 40);
  EXPECT_LE(segment_bytes(open->right), kCarried - 40);
  EXPECT_TRUE(arrives(open->left, open->right, std::chrono::seconds(10)));
  EXPECT_TRUE(arrives(open->right, open->left, std::chrono::seconds(10)));
}

}  // namespace
}  // namespace vk8s::agent
