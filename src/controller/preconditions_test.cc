#include "controller/preconditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_world.h"
#include "controller/observation.h"
#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Preconditions : public testing::Test {
 protected:
  std::string reason_of(const api::Vk8s& vk8s) const {
    const auto cluster = prepare_cluster(vk8s, {}, world_);
    return cluster ? "" : cluster.error().reason;
  }

  void add_host_node(const std::string& name, const std::string& address, bool ready = true) {
    Json node = base::parse_json(R"({"metadata":{},"status":{"addresses":[
        {"type":"Hostname","address":"x"},{"type":"InternalIP","address":""}],
        "conditions":[{"type":"Ready","status":"True"}]}})")
                    .value();
    set(node, "metadata.name", Json(name));
    set(node, "status.addresses.1.address", Json(address));
    set(node, "status.conditions.0.status", ready ? "True" : "False");
    world_.put(kube::resources::kNode, std::move(node));
  }

  FakeWorld world_;
};

TEST_F(Preconditions, HoldForAnAdmittedCluster) {
  add_host_node("b", "192.0.2.11");
  add_host_node("a", "192.0.2.10");
  add_host_node("c", "192.0.2.12", false);
  const auto cluster = prepare_cluster(vk8s(), {}, world_);
  ASSERT_TRUE(cluster) << cluster.error().message;
  EXPECT_EQ(cluster->release.version, "1.37.2");
  EXPECT_EQ(cluster->pod_cidrs.at("demo-worker-1"), "100.72.1.0/24");
  EXPECT_THAT(cluster->host.node_addresses, ElementsAre("192.0.2.10", "192.0.2.11"));
}

TEST_F(Preconditions, RefuseNetworksOfTheHost) {
  world_.put(
      kube::resources::kNode,
      base::parse_json(R"({"metadata":{"name":"a"},"spec":{"podCIDR":"100.72.3.0/24"}})").value());
  EXPECT_EQ(reason_of(vk8s()), "NetworkConflict");
  FakeWorld empty;
  Settings settings;
  settings.host_api_address = "100.80.0.1";
  const auto cluster = prepare_cluster(vk8s(), settings, empty);
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().reason, "NetworkConflict");
  EXPECT_THAT(cluster.error().message, HasSubstr("serviceCidr 100.80.0.0/16"));
}

TEST_F(Preconditions, RefuseToGoDownOrToSkipAVersion) {
  api::Vk8s upgraded = vk8s();
  for (const auto& [running, reason] :
       std::vector<std::pair<const char*, const char*>>{{"1.37.1", ""},
                                                        {"1.36.4", ""},
                                                        {"1.35.9", "UnsupportedVersion"},
                                                        {"1.38.0", "UnsupportedVersion"}}) {
    upgraded.status.version = running;
    EXPECT_EQ(reason_of(upgraded), reason) << running;
  }
}

TEST_F(Preconditions, KeepThePodNetworkOfANode) {
  world_.put(kube::resources::kStatefulSet, base::parse_json(R"({"metadata":{
      "namespace":"team-a","name":"demo-worker-1","labels":{"clusterName":"demo"},
      "annotations":{"vk8s.sktelecom.com/pod-cidr":"100.72.9.0/24"}}})")
                                                .value());
  EXPECT_EQ(prepare_cluster(vk8s(), {}, world_)->pod_cidrs.at("demo-worker-1"), "100.72.9.0/24");
}

TEST_F(Preconditions, RefuseTheLaterOfTwoClustersThatShareANodeName) {
  Json other = vk8s_object("other", "uid-other");
  set(other, "spec.nodes.0.name", "demo-worker-1");
  set(other, "metadata.creationTimestamp", "2025-01-01T00:00:00Z");
  world_.put(kube::resources::kVk8s, other);
  world_.put(kube::resources::kVk8s, vk8s_object());
  const auto mine = prepare_cluster(vk8s(), {}, world_);
  ASSERT_FALSE(mine);
  EXPECT_EQ(mine.error().reason, "NodeNameConflict");
  EXPECT_THAT(mine.error().message, HasSubstr("Vk8s team-a/other"));
  EXPECT_EQ(reason_of(api::parse_vk8s(other).value()), "");
}

Json stateful_set(const std::string& name, const char* cluster, const char* uid) {
  Json out = base::parse_json(R"({"metadata":{"namespace":"team-a","ownerReferences":[
      {"kind":"Vk8s","controller":true}]}})")
                 .value();
  set(out, "metadata.name", Json(name));
  set(out, "metadata.ownerReferences.0.name", cluster);
  set(out, "metadata.ownerReferences.0.uid", uid);
  return out;
}

// Which of the two asked for the name first matters only while neither has it.
TEST_F(Preconditions, GiveANodeNameToTheClusterThatHasTheNode) {
  Json other = vk8s_object("other", "uid-other");
  set(other, "spec.nodes.1.name", "demo-worker-1");
  set(other, "metadata.creationTimestamp", "2025-01-01T00:00:00Z");
  world_.put(kube::resources::kVk8s, other);
  world_.put(kube::resources::kVk8s, vk8s_object());
  const api::Vk8s earlier = api::parse_vk8s(other).value();
  EXPECT_EQ(reason_of(earlier), "");

  world_.put(kube::resources::kStatefulSet, stateful_set("demo-worker-1", "demo", "uid-demo"));
  EXPECT_EQ(reason_of(vk8s()), "");
  const auto refused = prepare_cluster(earlier, {}, world_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "NodeNameConflict");
  EXPECT_THAT(refused.error().message, HasSubstr("taken by Vk8s team-a/demo"));
  EXPECT_GT(refused.error().retry_after.count(), 0) << "nobody tells it when that node has gone";

  // Also of one that has left the other's spec and is being drained.
  set(other, "spec.nodes.1.name", "other-worker-1");
  world_.put(kube::resources::kVk8s, other);
  world_.put(kube::resources::kStatefulSet, stateful_set("demo-worker-1", "other", "uid-other"));
  EXPECT_EQ(reason_of(vk8s()), "NodeNameConflict");
}

TEST_F(Preconditions, FreezeAClusterAsItIs) {
  api::Vk8s changed = vk8s();
  changed.spec.kubernetes_version = "1.12";
  changed.status.version = "1.36.1";
  changed.spec.nodes.push_back(changed.spec.nodes[1]);
  changed.spec.nodes[2].name = "demo-worker-2";
  for (const char* node : {"demo-master-1", "demo-worker-1"}) {
    Json set = stateful_set(node, "demo", "uid-demo");
    controller::set(set, "metadata.annotations", JsonObject{{kPodCidrAnnotation, "100.72.9.0/24"}});
    world_.put(kube::resources::kStatefulSet, set);
  }
  const Cluster frozen = freeze_cluster(changed, {}, world_);
  EXPECT_TRUE(frozen.frozen);
  EXPECT_EQ(frozen.release.minor, "1.36");
  EXPECT_EQ(frozen.vk8s.spec.nodes.size(), 2U);
  EXPECT_EQ(frozen.pod_cidrs.at("demo-worker-1"), "100.72.9.0/24");
}

TEST_F(Preconditions, LetTwoNamespacesShareNodeNames) {
  Json other = vk8s_object("demo", "uid-other");
  set(other, "metadata.namespace", "team-b");
  set(other, "metadata.creationTimestamp", "2025-01-01T00:00:00Z");
  world_.put(kube::resources::kVk8s, other);
  EXPECT_EQ(reason_of(vk8s()), "");
}

TEST_F(Preconditions, NameAnUnsupportedVersion) {
  api::Vk8s old = vk8s();
  old.spec.kubernetes_version = "1.12";
  EXPECT_EQ(reason_of(old), "UnsupportedVersion");
}

TEST_F(Preconditions, NameTheVersionsOfThisInstallation) {
  Settings settings;
  settings.vnode_images = {{"1.37", "registry.example/vk8s/vnode@sha256:0"}};
  EXPECT_TRUE(prepare_cluster(vk8s(), settings, world_));
  api::Vk8s other = vk8s();
  other.spec.kubernetes_version = "1.36";
  const auto refused = prepare_cluster(other, settings, world_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "UnsupportedVersion");
  EXPECT_THAT(refused.error().message, HasSubstr("1.36 is not installed here: use one of 1.37"));
  settings.image_registry = "registry.example";
  EXPECT_TRUE(prepare_cluster(other, settings, world_));
}

TEST_F(Preconditions, RefuseImagesThatAreNotAllowed) {
  api::Vk8s vk8s = controller::vk8s();
  vk8s.spec.nodes[0].image = "elsewhere/vnode:v1.37.2";
  EXPECT_EQ(reason_of(vk8s), "NotAllowed");
}

TEST_F(Preconditions, RefuseNetworksThatHoldTheHost) {
  add_host_node("a", "100.72.3.4");
  EXPECT_EQ(reason_of(vk8s()), "NetworkConflict");
}

TEST_F(Preconditions, WaitForTheNetworkWhereTheAnnotationSaysSo) {
  api::Vk8s vk8s = controller::vk8s();
  EXPECT_FALSE(reason_to_wait(vk8s));
  vk8s.metadata.annotations["cluster-network-connection-status"] = "false";
  ASSERT_TRUE(reason_to_wait(vk8s));
  EXPECT_EQ(reason_to_wait(vk8s)->phase, "Waiting Network Connection");
  vk8s.metadata.annotations["cluster-network-connection-status"] = "true";
  EXPECT_FALSE(reason_to_wait(vk8s));
}

TEST_F(Preconditions, RefuseToPauseWhatWouldLoseItsStateUnlessForced) {
  api::Vk8s vk8s = controller::vk8s();
  vk8s.spec.paused = true;
  EXPECT_FALSE(refuse_pause(vk8s));
  EXPECT_TRUE(prepare_cluster(vk8s, {}, world_)->paused);
  vk8s.spec.nodes[0].storage.ephemeral = true;
  EXPECT_TRUE(refuse_pause(vk8s));
  EXPECT_FALSE(prepare_cluster(vk8s, {}, world_)->paused);
  vk8s.metadata.annotations["vk8s.sktelecom.com/force-pause"] = "true";
  EXPECT_FALSE(refuse_pause(vk8s));
}

}  // namespace
}  // namespace vk8s::controller
