#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/node_config.h"
#include "controller/resource.h"
#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or("<none>"));
}

void expect_owned(const Json& object, const Cluster& cluster) {
  EXPECT_TRUE(is_owned_by(object, cluster.vk8s.metadata.uid)) << base::to_string(object);
  EXPECT_EQ(text(object, "metadata.labels.app"), "vk8s");
  EXPECT_EQ(text(object, "metadata.labels.clusterName"), "demo");
  EXPECT_EQ(text(object, "metadata.namespace"), "team-a");
}

Json volume(const Json& pod_spec, std::string_view name) {
  for (const Json& each : *base::get_array(pod_spec, "volumes")) {
    if (base::get_string(each, "name") == name) {
      return each;
    }
  }
  return {};
}

TEST(ApiServerService, ReachesMastersThatAreNotReadyYet) {
  const Cluster cluster = demo_cluster();
  const Json object = make_api_server_service()->desired(cluster);
  expect_owned(object, cluster);
  EXPECT_EQ(text(object, "metadata.name"), "demo");
  EXPECT_EQ(text(object, "spec.type"), "NodePort");
  EXPECT_EQ(text(object, "spec.selector.role"), "master");
  EXPECT_EQ(base::get_bool(object, "spec.publishNotReadyAddresses"), true);
  EXPECT_EQ(base::get_int(object, "spec.ports.0.port"), 6443);
}

TEST(PeersService, IsHeadless) {
  const Cluster cluster = demo_cluster();
  const Json object = make_peers_service()->desired(cluster);
  expect_owned(object, cluster);
  EXPECT_EQ(text(object, "metadata.name"), "demo-peers");
  EXPECT_EQ(text(object, "spec.clusterIP"), "None");
  EXPECT_EQ(base::get_bool(object, "spec.publishNotReadyAddresses"), true);
}

TEST(PortsService, IsThereOnlyWithPorts) {
  Cluster cluster = demo_cluster();
  const auto service = make_ports_service();
  EXPECT_FALSE(service->is_wanted(cluster));
  cluster.vk8s.spec.ports = {{"web", "TCP", 443, 30443, "", 31443}, {"dns", "UDP", 53, 53, "", 0}};
  EXPECT_TRUE(service->is_wanted(cluster));
  const Json object = service->desired(cluster);
  expect_owned(object, cluster);
  EXPECT_EQ(base::get_int(object, "spec.ports.0.nodePort"), 31443);
  EXPECT_EQ(base::get_int(object, "spec.ports.0.targetPort"), 30443);
  EXPECT_EQ(base::find(object, "spec.ports.1.nodePort"), nullptr);
}

TEST(PortsService, LeavesOutWhatItCannotPublish) {
  Cluster cluster = demo_cluster();
  cluster.vk8s.spec.ports = {{"web", "TCP", 443, 0, "ns/web", 0}};
  EXPECT_FALSE(make_ports_service()->is_wanted(cluster));
  cluster.vk8s.spec.ports.push_back({"ssh", "TCP", 22, 22, "", 0});
  EXPECT_EQ(base::get_array(make_ports_service()->desired(cluster), "spec.ports")->size(), 1U);
}

TEST(NetworkPolicy, LetsOnlyTheControllerReachTheAgents) {
  const Cluster cluster = demo_cluster();
  const Json object = make_network_policy()->desired(cluster);
  expect_owned(object, cluster);
  const JsonArray& ingress = *base::get_array(object, "spec.ingress");
  ASSERT_EQ(ingress.size(), 3U);
  EXPECT_EQ(text(ingress[0], "from.0.podSelector.matchLabels.clusterName"), "demo");
  EXPECT_EQ(base::get_int(ingress[1], "ports.0.port"), 6443);
  EXPECT_EQ(base::find(ingress[1], "from"), nullptr);
  EXPECT_EQ(base::get_int(ingress[2], "ports.0.port"), 10300);
  const JsonObject& in = *base::get_object(ingress[2], "from.0.namespaceSelector.matchLabels");
  EXPECT_EQ(in.at("kubernetes.io/metadata.name"), "vk8s-system");
}

TEST(NodeStatefulSet, IsOnePodThatOnlyTheControllerReplaces) {
  Cluster cluster = demo_cluster();
  cluster.pod_cidrs["demo-master-1"] = "100.72.0.0/24";
  const Json object = make_node_stateful_set("demo-master-1")->desired(cluster);
  expect_owned(object, cluster);
  EXPECT_EQ(text(object, "metadata.labels.vnode"), "demo-master-1");
  EXPECT_EQ(base::get_object(object, "metadata.annotations")->at(kPodCidrAnnotation),
            "100.72.0.0/24");
  EXPECT_EQ(base::get_int(object, "spec.replicas"), 1);
  EXPECT_EQ(text(object, "spec.serviceName"), "demo-peers");
  EXPECT_EQ(text(object, "spec.updateStrategy.type"), "OnDelete");
  EXPECT_EQ(text(object, "spec.podManagementPolicy"), "Parallel");
  EXPECT_EQ(text(object, "spec.volumeClaimTemplates.0.spec.resources.requests.storage"), "8Gi");
}

TEST(NodeStatefulSet, StartsANodeAnewForWhatItIsTold) {
  Cluster cluster = demo_cluster();
  const auto told = [&cluster] {
    const Json set = make_node_stateful_set("demo-master-1")->desired(cluster);
    return base::to_string(*base::find(set, "spec.template.metadata.annotations"));
  };
  const std::string before = told();
  cluster.host.node_addresses.push_back("192.0.2.12");
  EXPECT_EQ(told(), before) << "a new host node is no reason";
  cluster.vk8s.spec.nodes.front().labels["zone"] = "a";
  cluster.vk8s.spec.nodes.front().taints = {{"gpu", "", "NoSchedule"}};
  EXPECT_EQ(told(), before) << "labels and taints reach a running Node";
  cluster.vk8s.spec.upstream_dns = {"192.0.2.53"};
  EXPECT_NE(told(), before);
}

TEST(NodeStatefulSet, RemembersThatItsNodeHadLabelsOrTaints) {
  Cluster cluster = demo_cluster();
  const auto is_marked = [&cluster](const char* node) {
    const Json set = make_node_stateful_set(node)->desired(cluster);
    const JsonObject* annotations = base::get_object(set, "metadata.annotations");
    return annotations != nullptr && annotations->contains(kLabelledAnnotation);
  };
  EXPECT_FALSE(is_marked("demo-worker-1"));
  cluster.vk8s.spec.nodes.back().taints = {{"gpu", "", "NoSchedule"}};
  EXPECT_TRUE(is_marked("demo-worker-1"));
  EXPECT_FALSE(is_marked("demo-master-1"));
  cluster.vk8s.spec.nodes.back().taints.clear();
  cluster.labelled_nodes = {"demo-worker-1"};
  EXPECT_TRUE(is_marked("demo-worker-1"));
}

TEST(NodeStatefulSet, AsksForAFixedAddressInThePodAlone) {
  Cluster cluster = demo_cluster();
  const Json before = make_node_stateful_set("demo-worker-1")->desired(cluster);
  cluster.addresses["demo-worker-1"] = {IpAddress::parse("10.1.0.7").value(),
                                        {{"cni.projectcalico.org/ipAddrs", R"(["10.1.0.7"])"}}};
  const Json after = make_node_stateful_set("demo-worker-1")->desired(cluster);
  const auto metadata = [](const Json& set, std::string_view part) {
    return *base::get_object(*base::find(set, "spec.template.metadata"), part);
  };
  EXPECT_EQ(metadata(after, "labels").at("vk8s.sktelecom.com/static-ip"), "true");
  EXPECT_EQ(metadata(after, "annotations").at("vk8s.sktelecom.com/ip"), "10.1.0.7");
  EXPECT_EQ(metadata(after, "annotations").at("cni.projectcalico.org/ipAddrs"), R"(["10.1.0.7"])");
  EXPECT_EQ(metadata(after, "annotations").at("vk8s.sktelecom.com/node-config"),
            metadata(before, "annotations").at("vk8s.sktelecom.com/node-config"));
  for (const char* part : {"spec.selector", "metadata"}) {
    EXPECT_EQ(*base::find(after, part), *base::find(before, part)) << part;
  }
  EXPECT_EQ(make_node_stateful_set("demo-master-1")->desired(cluster),
            make_node_stateful_set("demo-master-1")->desired(demo_cluster()));
}

TEST(NodeStatefulSet, GivesTheVolumeToTheVk8sUnlessItIsRetained) {
  Cluster cluster = demo_cluster();
  const Json deleted = make_node_stateful_set("demo-master-1")->desired(cluster);
  EXPECT_EQ(text(deleted, "spec.volumeClaimTemplates.0.metadata.ownerReferences.0.uid"),
            cluster.vk8s.metadata.uid);
  EXPECT_TRUE(has_owned_claim(deleted));
  cluster.vk8s.spec.nodes.front().storage.retain = true;
  EXPECT_FALSE(has_owned_claim(make_node_stateful_set("demo-master-1")->desired(cluster)));
}

TEST(NodeStatefulSet, GivesThePodNothingOfTheHost) {
  const Json object = make_node_stateful_set("demo-worker-1")->desired(demo_cluster());
  const Json& pod = *base::find(object, "spec.template.spec");
  EXPECT_EQ(base::get_bool(pod, "automountServiceAccountToken"), false);
  EXPECT_EQ(base::get_bool(pod, "enableServiceLinks"), false);
  EXPECT_EQ(base::find(pod, "containers.0.env"), nullptr);
  EXPECT_EQ(base::find(pod, "hostNetwork"), nullptr);
  EXPECT_EQ(base::to_string(pod).find("mountPropagation"), std::string::npos);
  EXPECT_EQ(base::to_string(pod).find("subPath"), std::string::npos);
  EXPECT_EQ(text(pod, "containers.0.name"), "vnode");
  EXPECT_EQ(text(pod, "containers.0.command.0"), "/opt/vk8s/bin/vk8s-agent");
  EXPECT_EQ(text(pod, "containers.0.image"), "vk8s/vnode:v1.37.2");
  EXPECT_EQ(base::get_int(pod, "containers.0.startupProbe.periodSeconds"), 1);
  EXPECT_EQ(text(pod, "containers.0.readinessProbe.httpGet.path"), "/readyz");
}

TEST(NodeStatefulSet, MountsTheKeysOfTheClusterOnMastersOnly) {
  const Cluster cluster = demo_cluster();
  const Json master = make_node_stateful_set("demo-master-1")->desired(cluster);
  const Json worker = make_node_stateful_set("demo-worker-1")->desired(cluster);
  const Json of_master = volume(*base::find(master, "spec.template.spec"), "config");
  const Json of_worker = volume(*base::find(worker, "spec.template.spec"), "config");
  EXPECT_EQ(text(of_master, "projected.sources.0.secret.name"), "demo-master-1-config");
  EXPECT_EQ(text(of_master, "projected.sources.1.secret.name"), "demo-pki");
  EXPECT_EQ(base::get_array(of_worker, "projected.sources")->size(), 1U);
  EXPECT_EQ(base::to_string(worker).find("demo-pki"), std::string::npos);
  EXPECT_EQ(base::to_string(master).find("agent-ca"), std::string::npos);
}

TEST(NodeStatefulSet, KeepsEphemeralStateInThePod) {
  Cluster cluster = demo_cluster();
  cluster.vk8s.spec.nodes[0].storage = {"1Gi", "", false, true};
  const Json object = make_node_stateful_set("demo-master-1")->desired(cluster);
  EXPECT_EQ(base::find(object, "spec.volumeClaimTemplates"), nullptr);
  EXPECT_EQ(text(volume(*base::find(object, "spec.template.spec"), "data"), "emptyDir.sizeLimit"),
            "1Gi");
}

TEST(NodeStatefulSet, HasNoPodWhilePaused) {
  Cluster cluster = demo_cluster();
  cluster.paused = true;
  EXPECT_EQ(
      base::get_int(make_node_stateful_set("demo-master-1")->desired(cluster), "spec.replicas"), 0);
}

TEST(NodeStatefulSet, ReservesLittleUnlessAskedFor) {
  Cluster cluster = demo_cluster();
  const auto requests = [&](std::string_view resources) {
    cluster.vk8s.spec.nodes[0].resources = base::parse_json(resources).value().get_object();
    return base::to_string(*base::find(make_node_stateful_set("demo-master-1")->desired(cluster),
                                       "spec.template.spec.containers.0.resources.requests"));
  };
  EXPECT_EQ(requests(R"({"limits":{"cpu":"2","memory":"4Gi"}})"),
            R"({"cpu":"100m","memory":"512Mi"})");
  EXPECT_EQ(requests(R"({"limits":{"cpu":"50m","memory":"256Mi"}})"),
            R"({"cpu":"50m","memory":"256Mi"})");
  EXPECT_EQ(requests(R"({"requests":{"cpu":"1"}})"), R"({"cpu":"1","memory":"512Mi"})");
}

TEST(NodeStatefulSet, SelectsHostNodesByTheGpuAnnotation) {
  Cluster cluster = demo_cluster();
  cluster.vk8s.metadata.annotations["demo-worker-1"] = "a100";
  const Json worker = make_node_stateful_set("demo-worker-1")->desired(cluster);
  EXPECT_EQ(base::get_object(worker, "spec.template.spec.nodeSelector")->at("scale/node.gpu.type"),
            "a100");
  EXPECT_EQ(base::find(make_node_stateful_set("demo-master-1")->desired(cluster),
                       "spec.template.spec.nodeSelector"),
            nullptr);
}

TEST(NodePod, IsThePodOfTheStatefulSet) {
  Cluster cluster = demo_cluster();
  const Json set = make_node_stateful_set("demo-master-1")->desired(cluster);
  const Json pod = node_pod(cluster, set);
  EXPECT_EQ(text(pod, "metadata.name"), "demo-master-1-0");
  EXPECT_EQ(text(pod, "metadata.namespace"), "team-a");
  EXPECT_EQ(text(pod, "metadata.labels.vnode"), "demo-master-1");
  EXPECT_EQ(*base::find(pod, "spec.containers"), *base::find(set, "spec.template.spec.containers"));
  EXPECT_EQ(text(volume(*base::find(pod, "spec"), "data"), "persistentVolumeClaim.claimName"),
            "data-demo-master-1-0");
  const auto claim = node_claim(cluster, set);
  ASSERT_TRUE(claim);
  EXPECT_EQ(text(*claim, "metadata.name"), "data-demo-master-1-0");
  EXPECT_EQ(text(*claim, "spec.resources.requests.storage"), "8Gi");
  cluster.vk8s.spec.nodes[0].storage = {.ephemeral = true};
  EXPECT_FALSE(node_claim(cluster, make_node_stateful_set("demo-master-1")->desired(cluster)));
}

TEST(AccessPod, IsThereOnlyWithAnImage) {
  Cluster cluster = demo_cluster();
  EXPECT_FALSE(make_access_deployment()->is_wanted(cluster));
  EXPECT_FALSE(make_access_service()->is_wanted(cluster));
  cluster.vk8s.spec.access_pod_image = "shell:1";
  cluster.vk8s.spec.access_pod_port = 22;
  const Json pod = make_access_deployment()->desired(cluster);
  EXPECT_EQ(text(pod, "metadata.name"), "demo-access-pod");
  EXPECT_EQ(text(pod, "spec.template.spec.volumes.0.secret.secretName"), "demo-kubeconfig");
  EXPECT_EQ(base::get_bool(pod, "spec.template.spec.automountServiceAccountToken"), false);
  EXPECT_EQ(text(make_access_service()->desired(cluster), "metadata.name"), "demo-access-svc");
}

TEST(Policy, AllowsTheCataloguesImagesAndThoseOfItsPrefixes) {
  Cluster cluster = demo_cluster();
  EXPECT_TRUE(check_policy(cluster));
  cluster.vk8s.spec.nodes[0].image = "registry.example/other:1";
  const Status refused = check_policy(cluster);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kForbidden);
  EXPECT_THAT(refused.error().message(), HasSubstr("registry.example/other:1"));
  cluster.settings.vnode_image_prefixes = {"registry.example/"};
  EXPECT_TRUE(check_policy(cluster));
}

TEST(Policy, KeepsNodesOffTheControlPlaneUnlessAllowed) {
  Cluster cluster = demo_cluster();
  for (const char* toleration :
       {R"({"operator":"Exists"})", R"({"key":"node-role.kubernetes.io/control-plane"})"}) {
    cluster.settings.tolerate_control_plane = false;
    cluster.vk8s.spec.nodes[1].tolerations = {base::parse_json(toleration).value()};
    EXPECT_FALSE(check_policy(cluster)) << toleration;
    cluster.settings.tolerate_control_plane = true;
    EXPECT_TRUE(check_policy(cluster)) << toleration;
  }
}

TEST(Cluster, PutsTheInstallationsRegistryBeforeTheCatalogue) {
  Cluster cluster = demo_cluster();
  cluster.settings.image_registry = "registry.example:5000";
  EXPECT_EQ(cluster.image_of(cluster.vk8s.master()), "registry.example:5000/vk8s/vnode:v1.37.2");
  EXPECT_TRUE(check_policy(cluster));
}

TEST(Cluster, IsReachedByNodePortFromOutsideAndByClusterIpFromInside) {
  Cluster cluster = demo_cluster();
  EXPECT_EQ(cluster.external_endpoint(), "https://192.0.2.10:31234");
  EXPECT_EQ(cluster.internal_endpoint(), "https://10.96.0.7:6443");
  cluster.host.node_addresses.clear();
  EXPECT_EQ(cluster.external_endpoint(), "https://10.96.0.7:6443");
}

TEST(Ownership, IsByUidOfTheControllingOwner) {
  const Json object = make_peers_service()->desired(demo_cluster());
  EXPECT_TRUE(is_owned_by(object, "uid-demo"));
  EXPECT_FALSE(is_owned_by(object, "uid-other"));
  EXPECT_FALSE(is_owned_by(Json(JsonObject()), "uid-demo"));
}

}  // namespace
}  // namespace vk8s::controller
