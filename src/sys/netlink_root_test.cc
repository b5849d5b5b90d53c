#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.h"
#include "sys/netlink.h"
#include "sys/netns.h"

namespace vk8s::sys {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Not;

std::string unique(std::string_view name) { return fmt::format("vk8s-t-{}-{}", ::getpid(), name); }

// Two network namespaces, removed at the end whatever happens.
class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto left = NetNs::create(unique("left"));
    if (!left && left.error().code() == Errc::kForbidden) {
      GTEST_SKIP() << "needs root and network namespaces: " << left.error().message();
    }
    ASSERT_TRUE(left) << left.error().message();
    left_.emplace(std::move(*left));
    right_.emplace(*NetNs::create(unique("right")));
  }
  void TearDown() override {
    EXPECT_TRUE(NetNs::remove(unique("left")));
    EXPECT_TRUE(NetNs::remove(unique("right")));
  }

  std::optional<NetNs> left_;
  std::optional<NetNs> right_;
};

void expect_ok(const Status& status) {
  EXPECT_TRUE(status) << (status ? "" : status.error().message());
}

TEST_F(NetworkTest, NamesNamespacesAsIpNetnsDoes) {
  EXPECT_TRUE(NetNs::exists(unique("left")));
  EXPECT_THAT(*NetNs::list(), Contains(unique("right")));
  EXPECT_EQ(NetNs::create(unique("left")).error().code(), Errc::kAlreadyExists);
  EXPECT_TRUE(NetNs::ensure(unique("left")));
  EXPECT_EQ(NetNs::open(unique("absent")).error().code(), Errc::kNotFound);
  EXPECT_EQ(NetNs::open("../escape").error().code(), Errc::kInvalidArgument);
  expect_ok(NetNs::remove(unique("absent")));
}

TEST_F(NetworkTest, RunsFunctionsInsideAndLeavesTheCallerOutside) {
  const auto links_of = [] { return Netlink::open()->list_links()->size(); };
  const std::size_t before = links_of();
  expect_ok(left_->run([&]() -> Status {
    Netlink netlink = VK8S_TRY(Netlink::open());
    const auto links = VK8S_TRY(netlink.list_links());
    EXPECT_EQ(links.size(), 1U);
    EXPECT_EQ(links[0].name, "lo");
    EXPECT_TRUE(links[0].is_up);
    return {};
  }));
  EXPECT_EQ(links_of(), before);
  EXPECT_EQ(left_->run([]() -> Status { return fail(Errc::kGone, "inside"); }).error().code(),
            Errc::kGone);
}

TEST_F(NetworkTest, WritesSysctlsInsideOnly) {
  expect_ok(left_->write_sysctl("net.ipv4.ip_forward", "1"));
  expect_ok(right_->write_sysctl("net.ipv4.ip_forward", "0"));
  EXPECT_EQ(*left_->read_sysctl("net.ipv4.ip_forward"), "1");
  EXPECT_EQ(*right_->read_sysctl("net.ipv4.ip_forward"), "0");
  EXPECT_FALSE(left_->write_sysctl("net.ipv4.no_such_key", "1"));
}

TEST_F(NetworkTest, MakesAVethPairAcrossNamespaces) {
  Netlink left = *Netlink::open_in(*left_);
  Netlink right = *Netlink::open_in(*right_);
  const VethSpec spec{.name = "v0", .peer_name = "eth0", .peer_namespace = &*right_, .mtu = 1400};
  expect_ok(left.create_veth(spec));
  EXPECT_EQ(left.create_veth(spec).error().code(), Errc::kAlreadyExists);
  EXPECT_EQ(left.get_link("v0")->kind, "veth");
  EXPECT_EQ(right.get_link("eth0")->mtu, 1400U);
  EXPECT_EQ(left.get_link("eth0").error().code(), Errc::kNotFound);
  expect_ok(left.set_up("v0"));
  expect_ok(right.set_up("eth0"));
  EXPECT_TRUE(left.get_link("v0")->is_up);
  expect_ok(left.set_mtu("v0", 1300));
  EXPECT_EQ(left.get_link("v0")->mtu, 1300U);
  expect_ok(left.set_mac("v0", "0a:58:00:00:00:01"));
  EXPECT_EQ(left.get_link("v0")->mac, "0a:58:00:00:00:01");
  expect_ok(left.set_down("v0"));
  expect_ok(left.rename_link("v0", "v1"));
  EXPECT_FALSE(left.rename_link("v1", "a-name-that-is-too-long"));
  expect_ok(left.delete_link("v1"));
  expect_ok(left.delete_link("v1"));
  EXPECT_EQ(right.get_link("eth0").error().code(), Errc::kNotFound);
}

TEST_F(NetworkTest, CarriesTrafficAndCountsIt) {
  Netlink left = *Netlink::open_in(*left_);
  Netlink right = *Netlink::open_in(*right_);
  expect_ok(left.create_veth({.name = "v0", .peer_name = "v0", .peer_namespace = &*right_}));
  expect_ok(left.add_address("v0", "10.9.0.1/24"));
  expect_ok(right.add_address("v0", "10.9.0.2/24"));
  expect_ok(left.set_up("v0"));
  expect_ok(right.set_up("v0"));
  UniqueFd receiver;
  expect_ok(right_->run([&]() -> Status {
    receiver.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(9999);
    EXPECT_EQ(::bind(receiver.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return {};
  }));
  expect_ok(left_->run([]() -> Status {
    const UniqueFd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9999);
    ::inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
    EXPECT_EQ(::sendto(sender.get(), "hello", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
              5);
    return {};
  }));
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char buffer[16];
  EXPECT_EQ(::recv(receiver.get(), buffer, sizeof buffer, 0), 5);
  EXPECT_GE(right.get_link("v0")->statistics.rx_packets, 1U);
  EXPECT_GE(left.get_link("v0")->statistics.tx_bytes, 47U);
}

TEST_F(NetworkTest, PutsLinksUnderABridge) {
  Netlink left = *Netlink::open_in(*left_);
  expect_ok(left.create_bridge("br0", 1450));
  expect_ok(left.create_veth({.name = "v0", .peer_name = "v1"}));
  expect_ok(left.set_master("v0", "br0"));
  EXPECT_EQ(left.get_link("v0")->master_index, left.get_link("br0")->index);
  expect_ok(left.set_master("v0", ""));
  EXPECT_EQ(left.get_link("v0")->master_index, 0);
  EXPECT_EQ(left.set_master("v0", "absent").error().code(), Errc::kNotFound);
  expect_ok(left.move_link("v1", *right_));
  EXPECT_TRUE(Netlink::open_in(*right_)->get_link("v1"));
}

TEST_F(NetworkTest, KeepsAddresses) {
  Netlink left = *Netlink::open_in(*left_);
  expect_ok(left.create_bridge("br0"));
  expect_ok(left.add_address("br0", "10.9.0.1/24"));
  expect_ok(left.add_address("br0", "10.9.0.1/24"));
  expect_ok(left.add_address("br0", "fd09::1/64"));
  EXPECT_THAT(*left.list_addresses("br0"), ElementsAre("10.9.0.1/24", "fd09::1/64"));
  expect_ok(left.remove_address("br0", "10.9.0.1/24"));
  expect_ok(left.remove_address("br0", "10.9.0.1/24"));
  EXPECT_THAT(*left.list_addresses("br0"), Not(Contains("10.9.0.1/24")));
  EXPECT_EQ(left.add_address("br0", "10.9.0.300/24").error().code(), Errc::kInvalidArgument);
}

TEST_F(NetworkTest, ReplacesAndDeletesRoutes) {
  Netlink left = *Netlink::open_in(*left_);
  expect_ok(left.create_bridge("br0"));
  expect_ok(left.add_address("br0", "10.9.0.1/24"));
  expect_ok(left.add_address("br0", "fd09::1/64"));
  expect_ok(left.set_up("br0"));
  Route route{.destination = "10.10.0.0/24", .gateway = "10.9.0.2", .link = "br0"};
  expect_ok(left.replace_route(route));
  route.gateway = "10.9.0.3";
  expect_ok(left.replace_route(route));
  route.table = 254;
  EXPECT_THAT(*left.list_routes(), Contains(route));
  Route by_overlay{.destination = "10.11.0.0/24",
                   .gateway = "10.11.0.0",
                   .link = "br0",
                   .source = "10.9.0.1",
                   .metric = 50,
                   .on_link = true,
                   .table = 100,
                   .mtu = 1372};
  expect_ok(left.replace_route(by_overlay));
  EXPECT_THAT(*left.list_routes(100), ElementsAre(by_overlay));
  by_overlay.mtu = 0;
  expect_ok(left.replace_route(by_overlay));
  EXPECT_THAT(*left.list_routes(100), ElementsAre(by_overlay));
  expect_ok(left.replace_route({.destination = "0.0.0.0/0", .gateway = "10.9.0.9", .link = "br0"}));
  expect_ok(left.replace_route({.destination = "fd10::/64", .gateway = "fd09::2", .link = "br0"}));
  EXPECT_THAT(*left.list_routes(), Contains(Field(&Route::destination, "0.0.0.0/0")));
  EXPECT_THAT(*left.list_routes(), Contains(Field(&Route::destination, "fd10::/64")));
  expect_ok(left.delete_route(route));
  expect_ok(left.delete_route(route));
  EXPECT_THAT(*left.list_routes(), Not(Contains(route)));
  const Status refused =
      left.replace_route({.destination = "10.12.0.0/24", .gateway = "192.0.2.1", .link = "br0"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("10.12.0.0/24"), std::string::npos);
}

TEST_F(NetworkTest, ProgramsAVxlanDevice) {
  Netlink left = *Netlink::open_in(*left_);
  expect_ok(left.create_bridge("br0"));
  expect_ok(left.add_address("br0", "10.9.0.1/24"));
  expect_ok(left.set_up("br0"));
  expect_ok(left.create_vxlan({.name = "vx0",
                               .vni = 7,
                               .mtu = 1400,
                               .local_address = "10.9.0.1",
                               .underlay = "br0",
                               .mac = "0a:58:00:00:00:07"}));
  expect_ok(left.set_up("vx0"));
  const Link link = *left.get_link("vx0");
  EXPECT_EQ(link.kind, "vxlan");
  EXPECT_EQ(link.mtu, 1400U);
  EXPECT_EQ(link.mac, "0a:58:00:00:00:07");

  const Neighbour neighbour{.address = "10.11.0.0", .mac = "0a:58:00:00:00:02", .link = "vx0"};
  expect_ok(left.replace_neighbour(neighbour));
  EXPECT_THAT(*left.list_neighbours("vx0"), ElementsAre(neighbour));
  expect_ok(left.delete_neighbour(neighbour));
  expect_ok(left.delete_neighbour(neighbour));
  EXPECT_THAT(*left.list_neighbours("vx0"), ElementsAre());

  FdbEntry entry{.mac = "0a:58:00:00:00:02", .remote_address = "10.9.0.2", .link = "vx0"};
  expect_ok(left.replace_fdb(entry));
  entry.remote_address = "10.9.0.3";
  expect_ok(left.replace_fdb(entry));
  EXPECT_THAT(*left.list_fdb("vx0"), ElementsAre(entry));
  expect_ok(left.delete_fdb(entry));
  expect_ok(left.delete_fdb(entry));
  EXPECT_THAT(*left.list_fdb("vx0"), ElementsAre());
}

TEST_F(NetworkTest, ListsManyRoutes) {
  Netlink left = *Netlink::open_in(*left_);
  expect_ok(left.create_bridge("br0"));
  expect_ok(left.add_address("br0", "10.9.0.1/24"));
  expect_ok(left.set_up("br0"));
  for (int i = 0; i < 1000; ++i) {
    expect_ok(
        left.replace_route({.destination = fmt::format("10.{}.{}.0/24", 100 + i / 250, i % 250),
                            .gateway = "10.9.0.2",
                            .link = "br0"}));
  }
  const auto routes = *left.list_routes();
  EXPECT_EQ(std::count_if(routes.begin(), routes.end(),
                          [](const Route& route) { return route.gateway == "10.9.0.2"; }),
            1000);
}

}  // namespace
}  // namespace vk8s::sys
