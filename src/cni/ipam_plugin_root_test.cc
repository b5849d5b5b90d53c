// The program vk8s-ipam behind the real ptp and bridge plugins, with the real host-local
// behind it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>

#include "api/ip_allocation.h"
#include "cni/record_store.h"
#include "cni/testing/claim_server.h"
#include "cni/testing/runtime.h"
#include "sys/file.h"
#include "sys/netlink.h"

namespace vk8s::cni {
namespace {

using testing::Answer;
using testing::Container;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Runtime;
using ::testing::StartsWith;

constexpr const char* kAddress = "10.1.200.7";
const Pod kPod = {"team-a", "demo-0", "2f1c3d2e-0000-4000-8000-000000000001"};

Result<UniqueFd> udp_socket(const sys::NetNs& space, const std::string& address, int port) {
  UniqueFd fd;
  const Status made = space.run([&]() -> Status {
    fd.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
      return fail_errno(errno, "bind {}", address);
    }
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return {};
  });
  return made ? Result<UniqueFd>(std::move(fd)) : tl::unexpected<Error>(made.error());
}

std::string without_prefix(const std::string& address) {
  return address.substr(0, address.find('/'));
}

class IpamPluginRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* plugins = std::getenv("VK8S_UPSTREAM_CNI_PLUGINS");
    if (plugins == nullptr) {
      GTEST_SKIP() << "VK8S_UPSTREAM_CNI_PLUGINS is not set: run ./test.sh root";
    }
    auto node = sys::NetNs::create(node_name_);
    if (!node && node.error().code() == Errc::kForbidden) {
      GTEST_SKIP() << "needs root and network namespaces: " << node.error().message();
    }
    ASSERT_TRUE(node) << node.error().message();
    node_.emplace(*std::move(node));
    runtime_.emplace(*node_, std::string(plugins) + ":" + VK8S_IPAM_FOLDER);
  }
  void TearDown() override {
    if (node_) {
      EXPECT_TRUE(sys::NetNs::remove(node_name_));
    }
  }

  // Of a node with the Pods 10.1.5.0/24. wanted: "" = the pod has no such annotation.
  Json config(const std::string& version, const std::string& wanted) const {
    Json annotations = JsonObject{{"team", "a"}};
    if (!wanted.empty()) {
      annotations.get_object()[api::kIpAnnotation] = wanted;
    }
    JsonObject ipam{{"type", "vk8s-ipam"},
                    {"socket", socket_},
                    {"store", store_.folder()},
                    {"dataDir", folder_.path() + "/host-local"},
                    {"ranges", JsonArray{JsonArray{JsonObject{{"subnet", "10.1.5.0/24"}}}}},
                    {"routes", JsonArray{JsonObject{{"dst", "0.0.0.0/0"}}}}};
    return JsonObject{{"cniVersion", version},
                      {"name", "vk8s"},
                      {"type", "ptp"},
                      {"ipMasq", false},
                      {"mtu", 1400},
                      {"runtimeConfig", JsonObject{{kAnnotationsCapability, annotations}}},
                      {"ipam", std::move(ipam)}};
  }
  // One network of all containers, of which the delegate gives a part.
  Json bridge_config(const std::string& version, const std::string& wanted) const {
    Json out = config(version, wanted);
    JsonObject& all = out.get_object();
    all["type"] = "bridge";
    all["bridge"] = "test0";
    all["isGateway"] = true;
    all["ipam"].get_object()["ranges"] = JsonArray{JsonArray{JsonObject{
        {"subnet", "10.1.0.0/16"}, {"rangeStart", "10.1.5.2"}, {"rangeEnd", "10.1.5.254"}}}};
    return out;
  }
  static Json with_previous(Json config, const Answer& added) {
    config.get_object()["prevResult"] = added.output;
    return config;
  }

  Container container(const std::string& id, const Pod& pod = kPod) const {
    auto made = Container::create(id, pod);
    EXPECT_TRUE(made) << made.error().message();
    return *std::move(made);
  }

  // A datagram there and one back.
  static bool answers(const Container& here, const std::string& own, const Container& there,
                      const std::string& other) {
    const auto sender = udp_socket(here.space(), own, 9000);
    const auto receiver = udp_socket(there.space(), other, 9001);
    EXPECT_TRUE(sender && receiver);
    if (!sender || !receiver) {
      return false;
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9001);
    ::inet_pton(AF_INET, other.c_str(), &to.sin_addr);
    ::sendto(sender->get(), "ping", 4, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    std::array<char, 16> buffer{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    if (::recvfrom(receiver->get(), buffer.data(), buffer.size(), 0,
                   reinterpret_cast<sockaddr*>(&from), &size) != 4) {
      return false;
    }
    ::sendto(receiver->get(), "pong!", 5, 0, reinterpret_cast<const sockaddr*>(&from), size);
    return ::recv(sender->get(), buffer.data(), buffer.size(), 0) == 5;
  }

  std::vector<std::string> recorded() const {
    const auto records = store_.list();
    std::vector<std::string> out;
    for (const Record& each : *records) {
      out.push_back(each.address.to_string() + " " + each.attachment.container_id);
    }
    return out;
  }
  std::vector<std::string> given_by_host_local() const {
    auto names = sys::list_directory(folder_.path() + "/host-local/vk8s");
    std::vector<std::string> out;
    for (const std::string& name : names.value_or(std::vector<std::string>{})) {
      if (IpAddress::parse(name)) {
        out.push_back(name);
      }
    }
    return out;
  }
  // The whole life of a pod with an address of its own, and of one without.
  void expect_life(const Json& with_address, const Json& without, const std::string& address,
                   const std::string& others);

  sys::TempDir folder_ = *sys::TempDir::create();
  std::string socket_ = folder_.path() + "/ipam.sock";
  RecordStore store_{folder_.path() + "/static-ips"};
  std::string node_name_ = fmt::format("vk8s-t-{}-node", ::getpid());
  std::optional<sys::NetNs> node_;
  std::optional<Runtime> runtime_;
};

void IpamPluginRootTest::expect_life(const Json& with_address, const Json& without,
                                     const std::string& address, const std::string& others) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, kPod.to_string());
  const Container own = container("own");
  const Container other = container("other", {"team-a", "web-0", "u"});

  const Answer added = runtime_->call(Verb::kAdd, own, with_address);
  ASSERT_TRUE(added.ok()) << added.message() << added.words;
  EXPECT_EQ(added.address(), address);
  EXPECT_THAT(recorded(), ElementsAre(fmt::format("{} {}", kAddress, own.id())));
  EXPECT_THAT(given_by_host_local(), IsEmpty());
  const Answer neighbour = runtime_->call(Verb::kAdd, other, without);
  ASSERT_TRUE(neighbour.ok()) << neighbour.message() << neighbour.words;
  EXPECT_THAT(neighbour.address(), StartsWith(others));
  EXPECT_TRUE(answers(other, without_prefix(neighbour.address()), own, kAddress));

  const Answer checked = runtime_->call(Verb::kCheck, own, with_previous(with_address, added));
  EXPECT_TRUE(checked.ok()) << checked.message() << checked.words;
  const Answer neighbour_checked =
      runtime_->call(Verb::kCheck, other, with_previous(without, neighbour));
  EXPECT_TRUE(neighbour_checked.ok()) << neighbour_checked.message() << neighbour_checked.words;

  for (int i = 0; i < 2; ++i) {
    const Answer deleted = runtime_->call(Verb::kDel, own, with_address);
    EXPECT_TRUE(deleted.ok()) << deleted.message() << deleted.words;
    EXPECT_THAT(recorded(), IsEmpty());
  }
  EXPECT_FALSE(runtime_->call(Verb::kCheck, own, with_previous(with_address, added)).ok());
  EXPECT_THAT(given_by_host_local(), ElementsAre(without_prefix(neighbour.address())));
  EXPECT_TRUE(runtime_->call(Verb::kDel, other, without).ok());
  EXPECT_THAT(given_by_host_local(), IsEmpty());
}

TEST_F(IpamPluginRootTest, GivesAddressesBehindPtpInEveryVersion) {
  for (const std::string_view each : kVersions) {
    const std::string version(each);
    SCOPED_TRACE(version);
    expect_life(config(version, kAddress), config(version, ""), "10.1.200.7/16", "10.1.5.");
  }
}

TEST_F(IpamPluginRootTest, GivesAddressesBehindABridgeInEveryVersion) {
  for (const std::string_view each : kVersions) {
    const std::string version(each);
    SCOPED_TRACE(version);
    expect_life(bridge_config(version, kAddress), bridge_config(version, ""), "10.1.200.7/16",
                "10.1.5.");
  }
}

TEST_F(IpamPluginRootTest, RefusesAnAddressBehindABridgeThatIsAnotherGatewayOnEachNode) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, kPod.to_string());
  const Container own = container("own");
  Json of_this_node = bridge_config("1.1.0", kAddress);
  of_this_node.get_object()["ipam"].get_object()["ranges"] =
      JsonArray{JsonArray{JsonObject{{"subnet", "10.1.5.0/24"}}}};
  const Answer refused = runtime_->call(Verb::kAdd, own, of_this_node);
  EXPECT_EQ(refused.code(), 7);
  EXPECT_THAT(refused.message(), HasSubstr("a bridge with isGateway"));
  EXPECT_THAT(recorded(), IsEmpty());
  EXPECT_TRUE(runtime_->call(Verb::kDel, own, of_this_node).ok());
  of_this_node.get_object()["isGateway"] = false;
  const Answer added = runtime_->call(Verb::kAdd, own, of_this_node);
  EXPECT_TRUE(added.ok()) << added.message() << added.words;
  EXPECT_EQ(added.address(), "10.1.200.7/16");
  EXPECT_TRUE(runtime_->call(Verb::kDel, own, of_this_node).ok());
}

TEST_F(IpamPluginRootTest, GivesAnAddressToOneOfTwoContainers) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, kPod.to_string());
  const Container first = container("first");
  const Container second = container("second");
  ASSERT_TRUE(runtime_->call(Verb::kAdd, first, config("1.1.0", kAddress)).ok());
  const Answer refused = runtime_->call(Verb::kAdd, second, config("1.1.0", kAddress));
  EXPECT_EQ(refused.code(), 11);
  EXPECT_THAT(refused.message(),
              HasSubstr("in use on this node by pod team-a/demo-0 (container " + first.id()));
  // What a runtime does after an ADD that failed takes nothing from the first.
  EXPECT_TRUE(runtime_->call(Verb::kDel, second, config("1.1.0", kAddress)).ok());
  EXPECT_THAT(recorded(), ElementsAre(fmt::format("{} {}", kAddress, first.id())));
  ASSERT_TRUE(runtime_->call(Verb::kDel, first, config("1.1.0", kAddress)).ok());
  EXPECT_TRUE(runtime_->call(Verb::kAdd, second, config("1.1.0", kAddress)).ok());
}

TEST_F(IpamPluginRootTest, TakesOverFromANamespaceThatIsGone) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, kPod.to_string());
  Container dead = container("dead");
  ASSERT_TRUE(runtime_->call(Verb::kAdd, dead, config("1.1.0", kAddress)).ok());
  dead.die();
  // The kernel takes the interfaces away a moment later; ptp would find the old route.
  auto netlink = sys::Netlink::open_in(*node_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (netlink->list_links()->size() > 1 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  const Container next = container("next");
  const Container other = container("other", {"team-a", "web-0", "u"});
  const Answer added = runtime_->call(Verb::kAdd, next, config("1.1.0", kAddress));
  ASSERT_TRUE(added.ok()) << added.message();
  EXPECT_THAT(recorded(), ElementsAre(fmt::format("{} {}", kAddress, next.id())));
  const Answer neighbour = runtime_->call(Verb::kAdd, other, config("1.1.0", ""));
  ASSERT_TRUE(neighbour.ok()) << neighbour.message();
  EXPECT_TRUE(answers(other, without_prefix(neighbour.address()), next, kAddress));
}

TEST_F(IpamPluginRootTest, FailsClosedWhileNobodyServes) {
  const Container own = container("own");
  const Container other = container("other", {"team-a", "web-0", "u"});
  const Answer added = runtime_->call(Verb::kAdd, own, config("1.1.0", kAddress));
  EXPECT_EQ(added.code(), 11);
  EXPECT_THAT(added.message(), HasSubstr("does not serve it"));
  EXPECT_TRUE(runtime_->call(Verb::kDel, own, config("1.1.0", kAddress)).ok());
  EXPECT_THAT(recorded(), IsEmpty());
  EXPECT_TRUE(runtime_->call(Verb::kAdd, other, config("1.1.0", "")).ok())
      << "a pod without an address of its own waits for nobody";
}

TEST_F(IpamPluginRootTest, RefusesAnAddressOfAnotherPod) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, "team-b/other-0");
  const Container thief = container("thief");
  const Answer added = runtime_->call(Verb::kAdd, thief, config("1.1.0", kAddress));
  EXPECT_EQ(added.code(), 11);
  EXPECT_THAT(added.message(), HasSubstr("it belongs to pod team-b/other-0"));
  EXPECT_THAT(recorded(), IsEmpty());
}

TEST_F(IpamPluginRootTest, WantsTheCapability) {
  const Container own = container("own");
  Json without = config("1.1.0", "");
  without.get_object().erase("runtimeConfig");
  const Answer added = runtime_->call(Verb::kAdd, own, without);
  EXPECT_EQ(added.code(), 7);
  EXPECT_THAT(added.message(), HasSubstr("io.kubernetes.cri.pod-annotations"));
  EXPECT_TRUE(runtime_->call(Verb::kDel, own, without).ok());
}

TEST_F(IpamPluginRootTest, CollectsWhatNoAttachmentHolds) {
  testing::ClaimServer server(socket_);
  server.set_owner(kAddress, kPod.to_string());
  const Container own = container("own");
  ASSERT_TRUE(runtime_->call(Verb::kAdd, own, config("1.1.0", kAddress)).ok());
  const auto with_valid = [&](JsonArray valid) {
    Json out = config("1.1.0", "");
    out.get_object()["cni.dev/valid-attachments"] = std::move(valid);
    return out;
  };
  const Json still = JsonObject{{"containerID", own.id()}, {"ifname", "eth0"}};
  Answer collected = runtime_->call(Verb::kGc, "vk8s-ipam", with_valid({still}));
  EXPECT_TRUE(collected.ok()) << collected.message();
  EXPECT_EQ(recorded().size(), 1U);
  collected = runtime_->call(Verb::kGc, "vk8s-ipam", with_valid({}));
  EXPECT_TRUE(collected.ok()) << collected.message();
  EXPECT_THAT(recorded(), IsEmpty());
}

TEST_F(IpamPluginRootTest, SaysStatusThroughThePluginInFrontAndItsVersions) {
  const Answer status = runtime_->call(Verb::kStatus, "ptp", config("1.1.0", ""));
  EXPECT_TRUE(status.ok()) << status.message() << status.words;
  Json elsewhere = config("1.1.0", "");
  elsewhere.get_object()["ipam"].get_object()["delegate"] = "absent";
  const Answer absent = runtime_->call(Verb::kStatus, "ptp", elsewhere);
  EXPECT_FALSE(absent.ok());
  EXPECT_THAT(absent.message(), HasSubstr("plugin absent is not in CNI_PATH"));
  const Answer version = runtime_->call(Verb::kVersion, "vk8s-ipam", Json{{"cniVersion", "1.0.0"}});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(*base::find(version.output, "supportedVersions"),
            (JsonArray{"0.4.0", "1.0.0", "1.1.0"}));
}

TEST_F(IpamPluginRootTest, HandsOnWhatTheDelegateSaysOfItsOwnConfiguration) {
  const Container other = container("other", {"team-a", "web-0", "u"});
  Json wrong = config("1.1.0", "");
  wrong.get_object()["ipam"].get_object()["ranges"] = JsonArray{};
  const Answer added = runtime_->call(Verb::kAdd, other, wrong);
  EXPECT_FALSE(added.ok());
  EXPECT_THAT(added.message(), HasSubstr("no IP ranges specified")) << "host-local's own words";
}

}  // namespace
}  // namespace vk8s::cni
