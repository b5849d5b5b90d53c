#include "agent/component_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/bootstrap_objects.h"
#include "agent/leaf_certificates.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;

api::NodeConfig config() {
  return {.cluster_name = "a",
          .node_name = "a-master-1",
          .kubernetes_version = "1.37.2",
          .pod_network_cidr = "100.72.0.0/16",
          .service_cidr = "100.80.0.0/16",
          .pod_cidr = "100.72.3.0/24",
          .cpu_millis = 2000,
          .memory_bytes = 4 * kGibibyte};
}

NodeFacts facts() {
  return {.node_ip = "10.1.2.3",
          .machine_memory_bytes = 24 * kGibibyte,
          .machine_cpus = 8,
          .name_servers = {"10.0.0.53"}};
}

std::string file(const std::string& name, const api::NodeConfig& node = config(),
                 const NodeFacts& found = facts()) {
  const auto files = config_files(node, {}, found);
  for (const ConfigFile& each : *files) {
    if (each.path.ends_with(name)) {
      return each.content;
    }
  }
  return "no such file";
}

TEST(ComponentConfig, AllocatableIsThePodsLimitLessTheControlPlanesShare) {
  const Reserved reserved = reserved_for_system(config(), facts());
  EXPECT_EQ(reserved.memory_bytes, 20 * kGibibyte + 640 * 1024 * 1024);
  EXPECT_EQ(reserved.cpu_millis, 6200);
  api::NodeConfig host = config();
  host.memory_bytes = host.cpu_millis = 0;
  EXPECT_EQ(reserved_for_system(host, facts()).memory_bytes, 0);
}

TEST(ComponentConfig, KubeletTakesClusterDnsAndReservation) {
  const auto kubelet = base::parse_json(file("/kubelet.json"));
  ASSERT_TRUE(kubelet);
  EXPECT_EQ(base::get_string(*kubelet, "clusterDNS.0"), "100.80.0.10");
  EXPECT_EQ(base::get_string(*kubelet, "systemReserved.cpu"), "6200m");
  EXPECT_EQ(base::get_bool(*kubelet, "authentication.anonymous.enabled"), false);
}

TEST(ComponentConfig, CorednsListensOnThePodCidrAndForwardsOnlyWhereItCan) {
  EXPECT_THAT(file("/Corefile"), HasSubstr("bind 100.72.3.0"));
  EXPECT_THAT(file("/Corefile"), HasSubstr("forward . 10.0.0.53"));
  NodeFacts alone = facts();
  alone.name_servers.clear();
  EXPECT_THAT(file("/Corefile", config(), alone), Not(HasSubstr("forward")));
  api::NodeConfig chosen = config();
  chosen.upstream_dns = {"192.0.2.1", "192.0.2.2"};
  EXPECT_THAT(file("/Corefile", chosen), HasSubstr("forward . 192.0.2.1 192.0.2.2"));
}

TEST(ComponentConfig, AWorkerHasNoCorefile) {
  api::NodeConfig worker = config();
  worker.role = api::NodeRole::kWorker;
  EXPECT_EQ(file("/Corefile", worker), "no such file");
}

TEST(ComponentConfig, MirrorsBecomeHostsFiles) {
  api::NodeConfig node = config();
  node.mirrors = {{"*", "https://198.18.0.2:5000", "registry-ca.crt"}};
  EXPECT_THAT(file("/certs.d/_default/hosts.toml", node),
              HasSubstr("ca = \"/etc/vk8s/config/registry-ca.crt\""));
}

TEST(ComponentConfig, CredentialsAreInTheHostsFileOfTheMirrorAlone) {
  api::NodeConfig node = config();
  node.mirrors = {{"*", "https://198.18.0.2:5000", ""}, {"docker.io", "https://other.example", ""}};
  NodeFacts found = facts();
  found.registry_auth = "cmVhZGVyOnNlY3JldA==";
  const auto files = config_files(node, {}, found);
  ASSERT_TRUE(files);
  for (const ConfigFile& each : *files) {
    if (each.path.ends_with("_default/hosts.toml")) {
      EXPECT_THAT(each.content, HasSubstr("[host.\"https://198.18.0.2:5000\".header]\n"
                                          "    Authorization = \"Basic cmVhZGVyOnNlY3JldA==\"\n"));
      EXPECT_EQ(each.mode, 0600U);
    } else {
      EXPECT_THAT(each.content, Not(HasSubstr("cmVhZGVy"))) << each.path;
    }
  }
  EXPECT_THAT(file("_default/hosts.toml", node), Not(HasSubstr("header")));
}

TEST(ComponentConfig, CniGivesAddressesOfThePodCidrWithoutMasquerading) {
  const auto cni = base::parse_json(file("/10-vk8s.conflist"));
  ASSERT_TRUE(cni);
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.ranges.0.0.subnet"), "100.72.3.0/24");
  EXPECT_EQ(base::get_bool(*cni, "plugins.0.ipMasq"), false);
  EXPECT_EQ(base::get_int(*cni, "plugins.0.mtu"), 1450);
}

TEST(ComponentConfig, PodsOfTheHostMayHaveAddressesOfTheirOwn) {
  api::NodeConfig host = config();
  host.is_host_node = true;
  const auto cni = base::parse_json(file("/10-vk8s.conflist", host));
  ASSERT_TRUE(cni);
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.type"), "vk8s-ipam");
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.delegate"), "host-local");
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.socket"), NodePaths().ipam_socket());
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.store"), NodePaths().static_ips());
  EXPECT_EQ(base::get_string(*cni, "plugins.0.ipam.ranges.0.0.subnet"), "100.72.3.0/24");
  EXPECT_EQ(*base::find(*cni, "plugins.0.capabilities"),
            (Json{{"io.kubernetes.cri.pod-annotations", true}}));
  const auto inside = base::parse_json(file("/10-vk8s.conflist"));
  EXPECT_EQ(base::get_string(*inside, "plugins.0.ipam.type"), "host-local");
  EXPECT_EQ(base::find(*inside, "plugins.0.capabilities"), nullptr);
}

TEST(ComponentConfig, ProxyModeFollowsTheKernel) {
  EXPECT_THAT(file("/proxy.json"), HasSubstr(R"("mode":"nftables")"));
  NodeFacts old = facts();
  old.nftables_proxy = false;
  EXPECT_THAT(file("/proxy.json", config(), old), HasSubstr(R"("mode":"iptables")"));
}

api::NodeConfig of_version(const std::string& version) {
  api::NodeConfig node = config();
  node.kubernetes_version = version;
  return node;
}

TEST(ComponentConfig, AnOldProxyUsesIptablesWhateverTheKernel) {
  EXPECT_THAT(file("/proxy.json", of_version("1.36.3")), HasSubstr(R"("mode":"nftables")"));
  EXPECT_THAT(file("/proxy.json", of_version("1.20.2")), HasSubstr(R"("mode":"iptables")"));
}

TEST(ComponentConfig, AnOldKubeletIsToldByFlagsWhatItsConfigurationLacks) {
  api::NodeConfig node = of_version("1.20.2");
  node.taints = {{"a", "b", "NoSchedule"}, {"c", "", "NoExecute"}};
  const auto kubelet = base::parse_json(file("/kubelet.json", node));
  ASSERT_TRUE(kubelet);
  for (const char* field : {"failCgroupV1", "containerRuntimeEndpoint", "registerWithTaints",
                            "mergeDefaultEvictionSettings"}) {
    EXPECT_EQ(base::find(*kubelet, field), nullptr) << field;
    EXPECT_THAT(file("/kubelet.json"), HasSubstr(field));
  }
  const Argv argv = kubelet_argv(node, {}, facts());
  EXPECT_THAT(argv, Contains("--container-runtime=remote"));
  EXPECT_THAT(argv,
              Contains("--container-runtime-endpoint=unix:///run/containerd/containerd.sock"));
  EXPECT_THAT(argv, Contains("--register-with-taints=a=b:NoSchedule,c=:NoExecute"));
  for (const std::string& word : kubelet_argv(config(), {}, facts())) {
    EXPECT_THAT(word, Not(HasSubstr("container-runtime")));
  }
}

TEST(ComponentConfig, AnOldKubeletLooksOftenWhetherItIsReady) {
  EXPECT_THAT(file("/kubelet.json"), HasSubstr(R"("nodeStatusUpdateFrequency":"10s")"));
  EXPECT_THAT(file("/kubelet.json", of_version("1.20.2")),
              HasSubstr(R"("nodeStatusUpdateFrequency":"2s")"));
}

TEST(ComponentConfig, AKubeletRegistersItsNodeWithTheVolumesLabelWhereItOffersThem) {
  api::NodeConfig node = config();
  node.labels = {{"zone", "edge"}};
  EXPECT_THAT(kubelet_argv(node, {}, facts()), Contains("--node-labels=zone=edge"));
  node.offers_volumes = true;
  EXPECT_THAT(kubelet_argv(node, {}, facts()),
              Contains("--node-labels=zone=edge,vk8s.sktelecom.com/volumes=true"));
}

TEST(ComponentConfig, AKubeletIsNotToldLabelsItWouldNotStartWith) {
  api::NodeConfig node = config();
  node.labels = {
      {"app.kubernetes.io/x", "1"},         {"example.com/pool", "2"},         {"k8s.io/x", "3"},
      {"node-role.kubernetes.io/gpu", ""},  {"node.kubernetes.io/pool", "4"},  {"notk8s.io/x", "5"},
      {"topology.kubernetes.io/zone", "6"}, {"x.kubelet.kubernetes.io/y", "7"}};
  EXPECT_THAT(kubelet_argv(node, {}, facts()),
              Contains("--node-labels=example.com/pool=2,node.kubernetes.io/pool=4,notk8s.io/x=5,"
                       "topology.kubernetes.io/zone=6,x.kubelet.kubernetes.io/y=7"));
  node.labels = {{"node-role.kubernetes.io/gpu", ""}};
  EXPECT_THAT(kubelet_argv(node, {}, facts()), Not(Contains(HasSubstr("--node-labels"))));
}

TEST(ComponentConfig, OldControllersOpenNoPortWithoutTls) {
  EXPECT_THAT(controller_manager_argv(of_version("1.20.2"), {}), Contains("--port=0"));
  EXPECT_THAT(scheduler_argv(of_version("1.20.2"), {}), Contains("--port=0"));
  EXPECT_THAT(controller_manager_argv(config(), {}), Not(Contains("--port=0")));
  EXPECT_THAT(scheduler_argv(config(), {}), Not(Contains("--port=0")));
}

TEST(ComponentConfig, ContainerdIsConfiguredAsItsVersionReads) {
  EXPECT_THAT(file("/containerd.toml"), HasSubstr("version = 3\n"));
  const std::string old = file("/containerd.toml", of_version("1.20.2"));
  EXPECT_THAT(old, HasSubstr("version = 2\n"));
  EXPECT_THAT(old, HasSubstr(R"(sandbox_image = "docker.io/vk8s/pause:1")"));
  EXPECT_THAT(old, HasSubstr(R"(config_path = "/run/vk8s/certs.d")"));
  EXPECT_THAT(pause_import_argv(config(), {}, facts()), Contains("--local"));
  EXPECT_THAT(pause_import_argv(of_version("1.20.2"), {}, facts()), Not(Contains("--local")));
}

TEST(ComponentConfig, ApiServerSaysItsAddressAndTakesNoSecretInArgv) {
  const Argv argv = api_server_argv(config(), {}, facts());
  EXPECT_THAT(argv, Contains("--advertise-address=10.1.2.3"));
  EXPECT_THAT(argv, Contains("--service-cluster-ip-range=100.80.0.0/16"));
}

TEST(MasterLeaves, TheApiServersNamesAreThoseItIsReachedBy) {
  api::NodeConfig node = config();
  node.api_server_sans = {"a.team.svc", "10.96.0.7"};
  const auto leaves = master_leaves(node, "10.1.2.3");
  const auto& request = leaves.at(1).request;
  EXPECT_THAT(request.dns_names, Contains("a.team.svc"));
  EXPECT_THAT(request.dns_names, Contains("kubernetes.default.svc.cluster.local"));
  EXPECT_THAT(request.ip_addresses,
              testing::ElementsAre("127.0.0.1", "10.1.2.3", "100.80.0.1", "10.96.0.7"));
}

class LeafFiles : public testing::Test {
 protected:
  LeafFiles() : folder_(std::move(*sys::TempDir::create())) {
    paths_.config = folder_.path();
    paths_.state = folder_.path() + "/state";
    paths_.run = folder_.path();
    const auto pki = api::create_cluster_pki("a");
    for (const auto& [name, content] : *pki) {
      EXPECT_TRUE(sys::write_file(paths_.given(name), content));
    }
  }
  std::vector<std::string> ensure(const api::NodeConfig& node, const std::string& ip = "10.1.2.3",
                                  pki::WallTime now = std::chrono::system_clock::now()) {
    const auto issued = ensure_leaves(paths_, master_leaves(node, ip), now);
    EXPECT_TRUE(issued) << issued.error().message();
    return *issued;
  }
  sys::TempDir folder_;
  NodePaths paths_;
};

TEST_F(LeafFiles, AreIssuedOnceAndKept) {
  EXPECT_EQ(ensure(config()).size(), 8U);
  EXPECT_TRUE(ensure(config()).empty());
}

TEST_F(LeafFiles, AreIssuedAnewForANewAddress) {
  ensure(config());
  EXPECT_THAT(ensure(config(), "10.9.9.9"), testing::ElementsAre("apiserver"));
}

TEST_F(LeafFiles, AreRenewedAfterTwoThirdsOfTheirLife) {
  ensure(config());
  const auto later = std::chrono::system_clock::now() + std::chrono::hours(24 * 300);
  EXPECT_EQ(ensure(config(), "10.1.2.3", later).size(), 8U);
}

TEST_F(LeafFiles, APairWrittenHalfIsReplaced) {
  ensure(config());
  const std::string other = *sys::read_file(paths_.key("scheduler"));
  ASSERT_TRUE(sys::write_file(paths_.key("coredns"), other));
  EXPECT_THAT(ensure(config()), testing::ElementsAre("coredns"));
}

TEST_F(LeafFiles, KubeconfigsNameFilesAndHoldNoKey) {
  ensure(config());
  ASSERT_TRUE(write_kubeconfigs(paths_, config()));
  const std::string kubeconfig = *sys::read_file(paths_.kubeconfig("scheduler"));
  EXPECT_THAT(kubeconfig, HasSubstr("https://127.0.0.1:6443"));
  EXPECT_THAT(kubeconfig, Not(HasSubstr("client-key-data")));
}

TEST(BootstrapObjects, TheDnsServiceHasItsAddressAndNoSelector) {
  const auto objects = bootstrap_objects(config(), "CA");
  ASSERT_TRUE(objects);
  bool found = false;
  for (const BootstrapObject& each : *objects) {
    if (each.resource == kube::resources::kService) {
      found = true;
      EXPECT_EQ(base::get_string(each.object, "spec.clusterIP"), "100.80.0.10");
      EXPECT_EQ(base::find(each.object, "spec.selector"), nullptr);
    }
  }
  EXPECT_TRUE(found);
}

TEST(BootstrapObjects, OnlyAgentsOfTheHostSeePodsAndAddresses) {
  const auto agents_may = [](bool is_host) {
    api::NodeConfig node = config();
    node.is_host_node = is_host;
    const auto objects = bootstrap_objects(node, "CA");
    EXPECT_TRUE(objects);
    const auto role = std::find_if(objects->begin(), objects->end(), [](const auto& each) {
      return each.resource == kube::resources::kClusterRole &&
             base::get_string(each.object, "metadata.name") == "vk8s:agent";
    });
    return base::to_string(*base::find(role->object, "rules"));
  };
  for (const char* rule :
       {R"({"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]})",
        R"({"apiGroups":["vk8s.sktelecom.com"],"resources":["ipallocations"],"verbs":["get"]})"}) {
    EXPECT_THAT(agents_may(true), HasSubstr(rule));
    EXPECT_THAT(agents_may(false), Not(HasSubstr(rule)));
  }
}

TEST(BootstrapObjects, TheStorageClassIsForNodesThatOfferVolumes) {
  const auto objects = bootstrap_objects(config(), "CA");
  ASSERT_TRUE(objects);
  const auto found = std::find_if(objects->begin(), objects->end(), [](const auto& each) {
    return each.resource == kube::resources::kStorageClass;
  });
  ASSERT_NE(found, objects->end());
  const Json* topologies = base::find(found->object, "allowedTopologies");
  ASSERT_NE(topologies, nullptr);
  EXPECT_EQ(base::to_string(*topologies),
            R"([{"matchLabelExpressions":)"
            R"([{"key":"vk8s.sktelecom.com/volumes","values":["true"]}]}])");
}

// The patch of a Node with these labels, as text; "none" if it needs none.
std::string label_patch(bool offers_volumes, JsonObject labels) {
  api::NodeConfig node = config();
  node.offers_volumes = offers_volumes;
  const auto patch = volumes_label_patch(
      node, Json{{"metadata", {{"name", node.node_name}, {"labels", std::move(labels)}}}});
  return patch ? base::to_string(*patch) : "none";
}

TEST(VolumesLabel, FollowsFromTheConfigurationWhoeverWroteIt) {
  const std::string key(api::kVolumesLabel);
  const std::string set = R"({"metadata":{"labels":{"vk8s.sktelecom.com/volumes":"true"}}})";
  const std::string removed = R"({"metadata":{"labels":{"vk8s.sktelecom.com/volumes":null}}})";
  EXPECT_EQ(label_patch(true, {}), set);
  EXPECT_EQ(label_patch(true, {{key, "false"}}), set);
  EXPECT_EQ(label_patch(true, {{key, "true"}}), "none");
  EXPECT_EQ(label_patch(false, {}), "none");
  EXPECT_EQ(label_patch(false, {{key, "true"}}), removed);
  EXPECT_EQ(label_patch(false, {{key, "false"}}), removed);
  EXPECT_FALSE(volumes_label_patch(config(), Json{{"metadata", JsonObject()}}));
}

TEST(PodCidrPatch, NotesWhatOfTheSpecTheKubeletRegistered) {
  api::NodeConfig node = config();
  node.labels = {{"zone", "edge"}};
  node.taints = {{"gpu", "", "NoSchedule"}};
  const Json patch = pod_cidr_patch(node);
  EXPECT_EQ(base::get_string(patch, "spec.podCIDR"), node.pod_cidr);
  EXPECT_EQ(base::to_string(*base::find(patch, "metadata")),
            R"({"annotations":{"vk8s.sktelecom.com/from-spec":)"
            R"("{\"labels\":[\"zone\"],\"taints\":[\"gpu:NoSchedule\"]}"}})");
  node.is_host_node = true;
  EXPECT_EQ(base::find(pod_cidr_patch(node), "metadata"), nullptr) << "there is no spec";
  EXPECT_EQ(base::find(pod_cidr_patch(config()), "metadata"), nullptr);
}

bool has(const api::NodeConfig& node, const kube::Resource& resource) {
  const auto objects = bootstrap_objects(node, "CA");
  return objects && std::any_of(objects->begin(), objects->end(),
                                [&](const auto& each) { return each.resource == resource; });
}

TEST(BootstrapObjects, TheDnsServiceHasTheEndpointsThatTheVersionKnows) {
  EXPECT_TRUE(has(config(), kube::resources::kEndpointSlice));
  EXPECT_FALSE(has(config(), kube::resources::kEndpoints));
  EXPECT_TRUE(has(of_version("1.20.2"), kube::resources::kEndpoints));
  EXPECT_FALSE(has(of_version("1.20.2"), kube::resources::kEndpointSlice));
}

TEST(BootstrapObjects, NoRoleHasAWildcard) {
  const auto objects = bootstrap_objects(config(), "CA");
  for (const BootstrapObject& each : *objects) {
    EXPECT_THAT(base::to_string(each.object), Not(HasSubstr("\"*\"")));
  }
}

}  // namespace
}  // namespace vk8s::agent
