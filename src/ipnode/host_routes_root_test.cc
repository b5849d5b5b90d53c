#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "base/unique_fd.h"
#include "ipnode/host_routes.h"
#include "sys/netns.h"

namespace vk8s::ipnode {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kAddress = "10.1.200.7";

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

// Two nodes with a cable between: 192.0.2.1 and 192.0.2.2.
class HostRoutesRootTest : public testing::Test {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < 2; ++i) {
      auto space = sys::NetNs::create(name(i));
      if (!space && space.error().code() == Errc::kForbidden) {
        GTEST_SKIP() << "needs root and network namespaces: " << space.error().message();
      }
      ASSERT_TRUE(space) << space.error().message();
      nodes_[i].emplace(*std::move(space));
    }
    auto left = sys::Netlink::open_in(*nodes_[0]);
    auto right = sys::Netlink::open_in(*nodes_[1]);
    ASSERT_TRUE(
        left->create_veth({.name = "eth0", .peer_name = "eth0", .peer_namespace = &*nodes_[1]}));
    ASSERT_TRUE(left->add_address("eth0", "192.0.2.1/24"));
    ASSERT_TRUE(right->add_address("eth0", "192.0.2.2/24"));
    ASSERT_TRUE(left->set_up("eth0"));
    ASSERT_TRUE(right->set_up("eth0"));
    ASSERT_TRUE(right->add_address("lo", std::string(kAddress) + "/32"));
    left_.emplace(*std::move(left));
  }
  void TearDown() override {
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(sys::NetNs::remove(name(i)));
    }
  }

  static std::string name(std::size_t node) {
    return fmt::format("vk8s-t-{}-r{}", ::getpid(), node);
  }

  // Whether left has a way to the address.
  bool is_routed() const {
    bool sent = false;
    const Status done = nodes_[0]->run([&]() -> Status {
      const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(9000);
      ::inet_pton(AF_INET, kAddress, &to.sin_addr);
      sent = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
      return {};
    });
    return done && sent;
  }

  std::array<std::optional<sys::NetNs>, 2> nodes_;
  std::optional<sys::Netlink> left_;
};

TEST_F(HostRoutesRootTest, ComeAndGoWithWhatIsWantedAndLeaveOthersAlone) {
  ASSERT_TRUE(
      left_->replace_route({.destination = "10.9.0.0/16", .gateway = "192.0.2.2", .link = "eth0"}));
  const std::vector<HostRoute> wanted = {{ip(kAddress), ip("192.0.2.2")}};
  EXPECT_FALSE(is_routed());
  for (int i = 0; i < 2; ++i) {
    const auto set = set_host_routes(*left_, wanted);
    ASSERT_TRUE(set) << set.error().message();
    EXPECT_THAT(*set, IsEmpty());
  }
  EXPECT_TRUE(is_routed());
  ASSERT_TRUE(set_host_routes(*left_, {}));
  EXPECT_FALSE(is_routed());
  const auto routes = left_->list_routes();
  EXPECT_THAT(*routes, testing::Contains(testing::Field(&sys::Route::destination, "10.9.0.0/16")));
}

TEST_F(HostRoutesRootTest, FollowTheAddressToAnotherNode) {
  ASSERT_TRUE(set_host_routes(*left_, {{ip(kAddress), ip("192.0.2.2")}}));
  ASSERT_TRUE(set_host_routes(*left_, {{ip(kAddress), ip("192.0.2.3")}}));
  std::vector<std::string> gateways;
  const auto routes = left_->list_routes();
  for (const sys::Route& route : *routes) {
    if (route.protocol == kHostRouteProtocol) {
      gateways.push_back(route.gateway);
    }
  }
  EXPECT_THAT(gateways, ElementsAre("192.0.2.3"));
}

TEST_F(HostRoutesRootTest, SayWhichNodesAreBehindARouter) {
  const HostRoute far{ip(kAddress), ip("198.51.100.2")};
  const auto set = set_host_routes(*left_, {far});
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_THAT(*set, ElementsAre(far));
  EXPECT_FALSE(is_routed());
}

}  // namespace
}  // namespace vk8s::ipnode
