#include "agent/control_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::agent {
namespace {

using kube::resources::kClusterRoleBinding;
using kube::resources::kEndpointSlice;
using kube::resources::kService;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const kube::ObjectKey kDns = {"kube-system", "kube-dns"};
const kube::ObjectKey kDnsSlice = {"kube-system", "kube-dns-vk8s"};
const kube::ObjectKey kAdmins = {"", "vk8s:cluster-admins"};

class ControlPlaneTest : public testing::Test {
 protected:
  ControlPlaneTest() {
    EXPECT_TRUE(control_plane_.start());
    timers_.advance(seconds(1));
    client_.clear_requests();
  }

  void remove(const kube::Resource& resource, const kube::ObjectKey& key) {
    const kube::Call call = client_.remove(resource, key, {}, [](const Result<Json>& removed) {
      EXPECT_TRUE(removed) << removed.error().message();
    });
    timers_.advance(milliseconds(0));
    ASSERT_EQ(client_.peek(resource, key), nullptr);
    client_.clear_requests();
  }

  long applied() const {
    return std::count_if(client_.requests().begin(), client_.requests().end(),
                         [](const auto& request) { return request.verb == "apply"; });
  }

  base::FakeTimers timers_;
  kube::FakeClient client_{timers_};
  const api::NodeConfig config_ = {.cluster_name = "a",
                                   .node_name = "a-master-1",
                                   .kubernetes_version = "1.37.2",
                                   .pod_network_cidr = "100.72.0.0/16",
                                   .service_cidr = "100.80.0.0/16",
                                   .pod_cidr = "100.72.3.0/24"};
  ControlPlane control_plane_{timers_, client_, config_, "CA", Log::silent()};
};

TEST_F(ControlPlaneTest, PutsBackADeletedDnsServiceAtOnce) {
  ASSERT_NE(client_.peek(kService, kDns), nullptr);
  ASSERT_NE(client_.peek(kEndpointSlice, kDnsSlice), nullptr);
  remove(kService, kDns);
  remove(kEndpointSlice, kDnsSlice);
  timers_.advance(seconds(1));
  const Json* service = client_.peek(kService, kDns);
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(base::get_string(*service, "spec.clusterIP"), "100.80.0.10");
  EXPECT_NE(client_.peek(kEndpointSlice, kDnsSlice), nullptr);
  EXPECT_EQ(applied(), 2);
}

TEST_F(ControlPlaneTest, PutsRightAChangedDnsService) {
  Json changed = *client_.peek(kService, kDns);
  changed.as_object()["spec"].as_object()["ports"].as_array()[0].as_object()["port"] = 5353;
  client_.put(kService, changed);
  timers_.advance(seconds(1));
  EXPECT_EQ(applied(), 1);
  EXPECT_EQ(base::get_int(*client_.peek(kService, kDns), "spec.ports.0.port"), 53);
}

TEST_F(ControlPlaneTest, LeavesAloneWhatOthersAdd) {
  Json more = *client_.peek(kService, kDns);
  more.as_object()["spec"].as_object()["sessionAffinity"] = "None";
  more.as_object()["metadata"].as_object()["labels"].as_object()["team"] = "a";
  client_.put(kService, more);
  timers_.advance(seconds(1));
  EXPECT_EQ(applied(), 0);
}

// What others keep otherwise is applied a few times a second, not as fast as it goes.
TEST_F(ControlPlaneTest, DoesNotFightAsFastAsItCan) {
  for (int i = 0; i < 100; ++i) {
    Json changed = *client_.peek(kService, kDns);
    changed.as_object()["spec"].as_object()["ports"] = JsonArray{};
    client_.put(kService, changed);
    timers_.advance(milliseconds(10));
  }
  EXPECT_GE(applied(), 2);
  EXPECT_LE(applied(), 5);
}

TEST_F(ControlPlaneTest, PutsBackWhateverElseWithinMinutes) {
  remove(kClusterRoleBinding, kAdmins);
  timers_.advance(seconds(30));
  EXPECT_EQ(applied(), 0) << "an idle cluster is left in peace";
  timers_.advance(minutes(5));
  EXPECT_NE(client_.peek(kClusterRoleBinding, kAdmins), nullptr);
}

TEST_F(ControlPlaneTest, WatchesOnAfterTheWatchEnds) {
  client_.end_watches({});
  timers_.advance(seconds(1));
  client_.clear_requests();
  remove(kService, kDns);
  timers_.advance(seconds(1));
  EXPECT_NE(client_.peek(kService, kDns), nullptr);
}

// An immutable field that somebody set otherwise, as roleRef: no retry helps.
TEST_F(ControlPlaneTest, WhatIsRefusedForGoodWaitsForTheNextRound) {
  remove(kClusterRoleBinding, kAdmins);
  client_.set_hook([](const kube::FakeRequest& request) {
    return request.key == kAdmins
               ? std::optional(Error(Errc::kInvalidArgument, "roleRef cannot be changed"))
               : std::nullopt;
  });
  timers_.advance(minutes(5));
  client_.clear_requests();
  timers_.advance(minutes(4));
  const long quick = applied();
  EXPECT_LE(quick, 40);
  client_.set_hook({});
  timers_.advance(minutes(6));
  EXPECT_NE(client_.peek(kClusterRoleBinding, kAdmins), nullptr);
}

}  // namespace
}  // namespace vk8s::agent
