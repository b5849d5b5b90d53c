#include "ipnode/static_pods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ip_allocation.h"
#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::ipnode {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

// A pod that has its address.
Json pod(std::string_view name, std::string_view address, std::string_view node) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"namespace", "team-a"},
            {"name", name},
            {"uid", name},
            {"creationTimestamp", "2031-01-01T00:00:00Z"},
            {"labels", {{api::kStaticIpLabel, "true"}}},
            {"annotations", {{api::kIpAnnotation, address}, {"other", "text"}}}}},
          {"spec", {{"nodeName", node}}},
          {"status",
           {{"phase", "Running"},
            {"podIP", address},
            {"podIPs", JsonArray{JsonObject{{"ip", address}}}}}}};
}

Json with(Json object, std::string_view part, std::string_view key, Json value) {
  object.get_object()[part].get_object()[key] = std::move(value);
  return object;
}

AddressesByNode of(const std::vector<Json>& pods) {
  std::vector<kube::ObjectPtr> shared;
  for (const Json& each : pods) {
    shared.push_back(std::make_shared<const Json>(each));
  }
  return static_addresses(shared);
}

TEST(StaticAddresses, AreWhereTheirPodsRun) {
  EXPECT_THAT(
      of({pod("a", "10.1.200.8", "n1"), pod("b", "10.1.200.7", "n1"), pod("c", "fd00::7", "n2")}),
      ElementsAre(Pair("n1", ElementsAre(ip("10.1.200.7"), ip("10.1.200.8"))),
                  Pair("n2", ElementsAre(ip("fd00::7")))));
}

TEST(StaticAddresses, BelieveTheKubeletNotTheAnnotation) {
  const Json claims_anothers =
      with(pod("thief", "10.1.200.7", "n2"), "status", "podIP", "10.1.5.9");
  EXPECT_THAT(
      of({pod("a", "10.1.200.7", "n1"), with(claims_anothers, "status", "podIPs", JsonArray{})}),
      ElementsAre(Pair("n1", ElementsAre(ip("10.1.200.7")))));
}

TEST(StaticAddresses, LeaveOutPodsThatHaveNone) {
  EXPECT_THAT(
      of({with(pod("ended", "10.1.200.7", "n1"), "status", "phase", "Succeeded"),
          with(pod("failed", "10.1.200.7", "n1"), "status", "phase", "Failed"),
          with(pod("on no node", "10.1.200.7", "n1"), "spec", "nodeName", ""),
          with(pod("in the node's network", "10.1.200.7", "n1"), "spec", "hostNetwork", true),
          with(pod("without", "10.1.200.7", "n1"), "metadata", "annotations", JsonObject()),
          pod("malformed", "10.1.200.07", "n1")}),
      IsEmpty());
}

TEST(StaticAddresses, FollowThePodThatStaysThenTheNewest) {
  const Json before = pod("before", "10.1.200.7", "n1");
  const Json after = with(pod("after", "10.1.200.7", "n2"), "metadata", "creationTimestamp",
                          "2031-01-01T00:00:01Z");
  const Json ending = with(after, "metadata", "deletionTimestamp", "2031-01-01T00:01:00Z");
  const auto on = [](const char* node) {
    return ElementsAre(Pair(node, ElementsAre(ip("10.1.200.7"))));
  };
  EXPECT_THAT(of({before, after}), on("n2"));
  EXPECT_THAT(of({after, before}), on("n2"));
  EXPECT_THAT(of({before, ending}), on("n1"));
  EXPECT_THAT(of({ending}), on("n2")) << "reachable to its end";
}

TEST(StaticPods, FollowsLabelledPodsOfEveryNamespace) {
  base::FakeTimers timers;
  kube::FakeClient api(timers);
  StaticPods pods(timers, api, Log::silent());
  int changes = 0;
  pods.on_change([&] { ++changes; });
  api.put(kube::resources::kPod, pod("a", "10.1.200.7", "n1"));
  api.put(kube::resources::kPod,
          with(pod("unlabelled", "10.1.200.8", "n1"), "metadata", "labels", JsonObject()));
  pods.start();
  timers.advance(std::chrono::seconds(1));
  EXPECT_TRUE(pods.has_synced());
  EXPECT_EQ(changes, 1);
  EXPECT_THAT(pods.by_node(), ElementsAre(Pair("n1", ElementsAre(ip("10.1.200.7")))));
  api.put(kube::resources::kPod,
          with(pod("b", "10.1.200.9", "n2"), "metadata", "namespace", "team-b"));
  timers.advance(std::chrono::seconds(1));
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(pods.by_node().size(), 2U);
}

}  // namespace
}  // namespace vk8s::ipnode
