#include "ipnode/held_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "api/ip_allocation.h"
#include "kube/fake_client.h"
#include "sys/file.h"

namespace vk8s::ipnode {
namespace {

using kube::resources::kNode;

cni::Record record(std::string_view address, std::string pod, std::string netns) {
  return {.address = *IpAddress::parse(address),
          .attachment = {"container-" + pod, "eth0"},
          .network = "vk8s",
          .pod = {"team-a", pod, "u"},
          .netns = std::move(netns),
          .netns_inode = *cni::netns_inode("/proc/self/ns/net")};
}

class HeldAddressesTest : public testing::Test {
 protected:
  void start() {
    auto held = HeldAddresses::start(loop_, api_, "host-1", store_.folder(), Log::silent());
    ASSERT_TRUE(held) << held.error().message();
    held_ = *std::move(held);
  }
  void make_node() {
    api_.put(kNode, {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "host-1"}}}});
  }
  std::string published() const {
    const Json* node = api_.peek(kNode, {"", "host-1"});
    const JsonObject* annotations =
        node == nullptr ? nullptr : base::get_object(*node, "metadata.annotations");
    const Json* text = annotations == nullptr
                           ? nullptr
                           : annotations->if_contains(std::string(api::kHeldIpsAnnotation));
    return text == nullptr ? "nothing" : std::string(text->get_string());
  }
  // Runs the loop until the Node says so, or for ten seconds.
  std::string published_in_time(const std::string& wanted) {
    Registration check;
    std::function<void()> look = [&] {
      if (published() == wanted) {
        loop_.stop();
      } else {
        check = loop_.after(std::chrono::milliseconds(5), look);
      }
    };
    look();
    const Registration deadline = loop_.after(std::chrono::seconds(10), [&] { loop_.stop(); });
    loop_.run();
    return published();
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  cni::RecordStore store_{folder_.path() + "/records"};
  EventLoop loop_;
  kube::FakeClient api_{loop_};
  std::unique_ptr<HeldAddresses> held_;
};

constexpr const char* kFirst = R"([{"ip":"10.1.200.7","pod":"team-a/demo-0"}])";

TEST_F(HeldAddressesTest, PublishesWhatTheRecordsSayAndEachChange) {
  make_node();
  start();
  EXPECT_EQ(published_in_time("[]"), "[]") << "an earlier process may have said something else";
  ASSERT_TRUE(store_.add(record("10.1.200.7", "demo-0", "/proc/self/ns/net")));
  EXPECT_EQ(published_in_time(kFirst), kFirst);
  ASSERT_EQ(*store_.remove({"container-demo-0", "eth0"}), 1);
  EXPECT_EQ(published_in_time("[]"), "[]");
}

TEST_F(HeldAddressesTest, PatchesOnlyWhenSomethingIsNew) {
  make_node();
  start();
  published_in_time("[]");
  api_.clear_requests();
  ASSERT_TRUE(store_.add(record("10.1.200.7", "demo-0", "/proc/self/ns/net")));
  ASSERT_TRUE(store_.add(record("10.1.200.7", "demo-0", "/proc/self/ns/net")));
  EXPECT_EQ(published_in_time(kFirst), kFirst);
  EXPECT_EQ(api_.requests().size(), 1U);
}

TEST_F(HeldAddressesTest, TriesAgainUntilThereIsANode) {
  api_.fail_next("patch", kNode, Error(Errc::kUnavailable, "away"));
  make_node();
  start();
  EXPECT_EQ(published_in_time("[]"), "[]");
}

TEST_F(HeldAddressesTest, SweepsWhatNoNamespaceHolds) {
  make_node();
  ASSERT_TRUE(store_.add(record("10.1.200.8", "gone-0", folder_.path() + "/gone")));
  ASSERT_TRUE(store_.add(record("10.1.200.7", "demo-0", "/proc/self/ns/net")));
  start();
  EXPECT_EQ(published_in_time(kFirst), kFirst);
}

TEST(HeldIps, AreAsManyAsAnAnnotationHolds) {
  EXPECT_EQ(held_ips({}), "[]");
  const std::vector<cni::Record> many(
      2 * kMaxPublished, record("10.1.200.7", std::string(200, 'a'), "/proc/self/ns/net"));
  EXPECT_LT(held_ips(many).size(), 256U * 1024U);
}

}  // namespace
}  // namespace vk8s::ipnode
