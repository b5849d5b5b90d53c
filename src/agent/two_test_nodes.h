// Two nodes of a cluster for root tests: network namespaces with a cable between.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/network.h"
#include "agent/overlay.h"
#include "sys/file.h"
#include "sys/netns.h"

namespace vk8s::agent {

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

inline TestNode make_node(int number) {
  TestNode node;
  node.name = fmt::format("vk8s-t-{}-n{}", ::getpid(), number);
  node.ip = fmt::format("198.18.200.{}", number);
  node.config.node_name = node.name;
  node.config.pod_network_cidr = "100.72.0.0/16";
  node.config.pod_cidr = fmt::format("100.72.{}.0/24", number);
  return node;
}

class TwoNodesTest : public testing::Test {
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
    ASSERT_TRUE(
        left->create_veth({.name = "eth0", .peer_name = "eth0", .peer_namespace = &*right_.space}));
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
      const Status up =
          node.space->run([&] { return set_up_network(node.config, facts, Log::silent()); });
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
          check = loop.after(std::chrono::milliseconds(5), look);
        }
      };
      look();
      const Registration deadline = loop.after(std::chrono::seconds(10), [&] { loop.stop(); });
      loop.run();
      return overlay.is_applied() ? Status() : fail(Errc::kTimeout, "the overlay was not set");
    });
    ASSERT_TRUE(set) << set.error().message();
  }

  std::optional<sys::TempDir> folder_;
  NodePaths paths_;
  TestNode left_ = make_node(1);
  TestNode right_ = make_node(2);
};

}  // namespace vk8s::agent
