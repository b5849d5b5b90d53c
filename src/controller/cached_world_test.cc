#include "controller/cached_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "controller/test_cluster.h"
#include "kube/fake_client.h"

namespace vk8s::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
namespace resources = kube::resources;

class CachedWorldTest : public testing::Test {
 protected:
  CachedWorldTest() {
    node_ = base::parse_json(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"host-1"},
        "spec":{},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.10"}],
        "allocatable":{"cpu":"4","memory":"1Gi"},
        "conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"a"}]}})")
                .value();
    server_.put(resources::kVk8s, vk8s_object());
    server_.put(resources::kNode, node_);
    world_.start();
    settle();
    told_.clear();
  }

  void settle() {
    for (int i = 0; i < 20; ++i) {
      timers_.advance(std::chrono::nanoseconds(0));
    }
  }
  // Who is told when the host's node says this.
  std::vector<std::string> told_of(std::string_view path, Json value) {
    set(node_, path, std::move(value));
    server_.put(resources::kNode, node_);
    settle();
    return std::exchange(told_, {});
  }

  Json node_;
  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  std::vector<std::string> told_;
  CachedWorld world_{timers_, server_,
                     [this](const kube::ObjectKey& key) { told_.push_back(key.name); },
                     Log::silent()};
};

TEST_F(CachedWorldTest, TellsClustersWhatTheirPreconditionsDependOn) {
  ASSERT_TRUE(world_.has_synced());
  EXPECT_THAT(told_of("spec.podCIDR", "100.72.3.0/24"), ElementsAre("demo"));
  EXPECT_THAT(told_of("status.addresses.0.address", "192.0.2.11"), ElementsAre("demo"));
  node_.get_object()["status"].get_object()["allocatable"].get_object()["nvidia.com/gpu"] = "1";
  EXPECT_THAT(told_of("status.phase", "x"), ElementsAre("demo")) << "a GPU has come";
  node_.get_object()["metadata"].get_object()["labels"] =
      JsonObject{{api::kGpuTypeLabel, Json("a100")}};
  EXPECT_THAT(told_of("status.phase", "y"), ElementsAre("demo")) << "its type is known";
  EXPECT_THAT(told_of("status.conditions.0.status", "False"), ElementsAre("demo"));
}

TEST_F(CachedWorldTest, KeepsTheChatterOfTheHostsNodesFromThem) {
  EXPECT_THAT(told_of("status.conditions.0.lastHeartbeatTime", "b"), IsEmpty());
  EXPECT_THAT(told_of("status.allocatable.memory", "2Gi"), IsEmpty());
}

}  // namespace
}  // namespace vk8s::controller
