#include "agent/component_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/leaf_certificates.h"
#include "api/version_catalogue.h"
#include "base/cidr.h"
#include "cni/network_config.h"

namespace vk8s::agent {
namespace {

constexpr std::int64_t kMebibyte = 1024 * 1024;
// Measured share of a master's own programs (bench/, vnode_idle_memory) with room
// for a few hundred objects.
constexpr std::int64_t kMasterMemory = 640 * kMebibyte;
constexpr std::int64_t kWorkerMemory = 192 * kMebibyte;
constexpr std::int64_t kMasterCpuMillis = 200;
constexpr std::int64_t kWorkerCpuMillis = 50;

constexpr std::string_view kPauseImage = "docker.io/vk8s/pause:1";

const api::ReleaseTraits& traits_of(const api::NodeConfig& config) {
  return api::traits_of(config.kubernetes_version);
}

// Of containerd 2.
constexpr std::string_view kContainerdToml = R"(version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
  address = "{socket}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restrict}
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{cni}"]
    conf_dir = "{run}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{programs}/runc"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{pause}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{run}/certs.d"
)";

// Of containerd 1.6, which has one CRI plugin.
constexpr std::string_view kOldContainerdToml = R"(version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = {restrict}
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{run}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{programs}/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{run}/certs.d"
)";

std::string containerd_toml(const api::NodeConfig& config, const NodePaths& paths,
                            const NodeFacts& facts) {
  const bool is_old = traits_of(config).containerd_config_version == 2;
  return fmt::format(fmt::runtime(is_old ? kOldContainerdToml : kContainerdToml),
                     fmt::arg("socket", paths.containerd_socket()),
                     fmt::arg("restrict", facts.can_raise_oom_score ? "false" : "true"),
                     fmt::arg("cni", paths.cni_programs), fmt::arg("run", paths.run),
                     fmt::arg("programs", paths.programs),
                     fmt::arg("snapshotter", facts.snapshotter), fmt::arg("pause", kPauseImage));
}

// Source: containerd docs/hosts.md. The folder "_default" stands for every registry. The header
// goes to this host alone, and to where it sends for a token.
ConfigFile hosts_toml(const api::RegistryMirror& mirror, const NodePaths& paths,
                      const NodeFacts& facts) {
  const std::string folder = mirror.name == "*" ? "_default" : mirror.name;
  std::string text =
      fmt::format("[host.\"{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n", mirror.url);
  if (!mirror.ca_file.empty()) {
    text += fmt::format("  ca = \"{}\"\n", paths.given(mirror.ca_file));
  }
  const bool has_auth = mirror.name == "*" && !facts.registry_auth.empty();
  if (has_auth) {
    text += fmt::format("  [host.\"{}\".header]\n    Authorization = \"Basic {}\"\n", mirror.url,
                        facts.registry_auth);
  }
  return {fmt::format("{}/certs.d/{}/hosts.toml", paths.run, folder), std::move(text),
          has_auth ? 0600U : 0644U};
}

std::string cni_conflist(const api::NodeConfig& config, const NodePaths& paths,
                         const NodeFacts& facts) {
  JsonObject ipam{{"type", "host-local"},
                  {"dataDir", paths.run + "/cni-ipam"},
                  {"ranges", JsonArray{JsonArray{JsonObject{{"subnet", config.pod_cidr}}}}},
                  {"routes", JsonArray{JsonObject{{"dst", "0.0.0.0/0"}}}}};
  JsonObject ptp{{"type", "ptp"}, {"ipMasq", false}, {"mtu", facts.pod_mtu}};
  if (config.is_host_node) {
    ipam["type"] = cni::kPluginName;
    ipam["delegate"] = "host-local";
    ipam["socket"] = paths.ipam_socket();
    ipam["store"] = paths.static_ips();
    ptp["capabilities"] = JsonObject{{cni::kAnnotationsCapability, true}};
  }
  ptp["ipam"] = std::move(ipam);
  return base::to_string(Json{
      {"cniVersion", "1.0.0"},
      {"name", "vk8s"},
      {"plugins",
       JsonArray{std::move(ptp),
                 JsonObject{{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}}}}});
}

JsonArray taints_json(const std::vector<api::Taint>& taints) {
  JsonArray all;
  for (const api::Taint& taint : taints) {
    all.push_back(JsonObject{{"key", taint.key}, {"value", taint.value}, {"effect", taint.effect}});
  }
  return all;
}

std::string runtime_endpoint(const NodePaths& paths) {
  return "unix://" + paths.containerd_socket();
}

Result<std::string> kubelet_config(const api::NodeConfig& config, const NodePaths& paths,
                                   const NodeFacts& facts) {
  const std::string dns_ip = VK8S_TRY(dns_service_ip(config));
  const api::ReleaseTraits& traits = traits_of(config);
  JsonObject kubelet{
      {"apiVersion", "kubelet.config.k8s.io/v1beta1"},
      {"kind", "KubeletConfiguration"},
      {"authentication",
       {{"anonymous", {{"enabled", false}}},
        {"webhook", {{"enabled", true}}},
        {"x509", {{"clientCAFile", paths.given("ca.crt")}}}}},
      {"authorization", {{"mode", "Webhook"}}},
      {"rotateCertificates", true},
      {"serverTLSBootstrap", true},
      {"cgroupDriver", "cgroupfs"},
      {"failSwapOn", false},
      {"clusterDomain", config.cluster_domain},
      {"clusterDNS", JsonArray{Json(dns_ip)}},
      {"resolvConf", paths.run + "/resolv.conf"},
      {"healthzBindAddress", "127.0.0.1"},
      {"maxPods", 250},
      {"makeIPTablesUtilChains", false},
      {"serializeImagePulls", false},
      {"enforceNodeAllocatable", JsonArray{"pods"}},
      {"evictionHard", {{"memory.available", "100Mi"}}},
      {"imageGCHighThresholdPercent", 100},
      {"imageGCLowThresholdPercent", 99},
      {"containerLogMaxSize", "10Mi"},
      {"containerLogMaxFiles", 3},
      {"nodeStatusUpdateFrequency", traits.hurries_to_ready ? "10s" : "2s"},
      {"nodeStatusReportFrequency", "5m0s"},
  };
  if (traits.may_fail_on_cgroup_v1) {
    kubelet["failCgroupV1"] = false;
  }
  if (traits.kubelet_config_has_runtime) {
    kubelet["containerRuntimeEndpoint"] = runtime_endpoint(paths);
  }
  if (traits.kubelet_config_has_taints) {
    kubelet["registerWithTaints"] = taints_json(config.taints);
  }
  if (traits.merges_eviction_settings) {
    kubelet["mergeDefaultEvictionSettings"] = false;
  }
  const Reserved reserved = reserved_for_system(config, facts);
  if (reserved.memory_bytes > 0 || reserved.cpu_millis > 0) {
    kubelet["systemReserved"] = {{"memory", fmt::format("{}", reserved.memory_bytes)},
                                 {"cpu", fmt::format("{}m", reserved.cpu_millis)}};
  }
  return base::to_string(kubelet);
}

std::string proxy_config(const api::NodeConfig& config, const NodePaths& paths,
                         const NodeFacts& facts) {
  const bool nftables = facts.nftables_proxy && traits_of(config).nftables_proxy;
  return base::to_string(Json{{"apiVersion", "kubeproxy.config.k8s.io/v1alpha1"},
                              {"kind", "KubeProxyConfiguration"},
                              {"bindAddress", "0.0.0.0"},
                              {"healthzBindAddress", "127.0.0.1:10256"},
                              {"metricsBindAddress", "127.0.0.1:10249"},
                              {"clientConnection", {{"kubeconfig", paths.kubeconfig("proxy")}}},
                              {"clusterCIDR", config.pod_network_cidr},
                              {"hostnameOverride", config.node_name},
                              {"mode", nftables ? "nftables" : "iptables"},
                              // The machine's connection tracking limits are not a pod's to write.
                              {"conntrack",
                               {{"maxPerCore", 0},
                                {"min", 0},
                                {"tcpEstablishedTimeout", "0s"},
                                {"tcpCloseWaitTimeout", "0s"}}}});
}

std::string resolv_conf(const api::NodeConfig& config, const NodeFacts& facts) {
  const auto& servers = config.upstream_dns.empty() ? facts.name_servers : config.upstream_dns;
  std::string text;
  for (const std::string& server : servers) {
    text += fmt::format("nameserver {}\n", server);
  }
  return text;
}

Result<std::string> corefile(const api::NodeConfig& config, const NodePaths& paths,
                             const NodeFacts& facts) {
  const auto& servers = config.upstream_dns.empty() ? facts.name_servers : config.upstream_dns;
  const std::string listen_ip = VK8S_TRY(dns_listen_ip(config));
  return fmt::format(
      R"(.:53 {{
  bind {listen}
  errors
  ready 127.0.0.1:8181
  kubernetes {domain} in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig} vk8s
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }}
{forward}  cache 30
  loadbalance
}}
)",
      fmt::arg("listen", listen_ip), fmt::arg("domain", config.cluster_domain),
      fmt::arg("kubeconfig", paths.kubeconfig("coredns")),
      fmt::arg("forward",
               servers.empty() ? "" : fmt::format("  forward . {}\n", fmt::join(servers, " "))));
}

Argv with_flags(std::string program,
                std::initializer_list<std::pair<std::string_view, std::string>> flags) {
  Argv argv{std::move(program)};
  for (const auto& [name, value] : flags) {
    argv.push_back(fmt::format("--{}={}", name, value));
  }
  return argv;
}

// Open to the network without TLS otherwise.
void close_plain_port(const api::NodeConfig& config, Argv& argv) {
  if (!traits_of(config).serves_only_tls) {
    argv.emplace_back("--port=0");
  }
}

std::string taints_flag(const std::vector<api::Taint>& taints) {
  std::vector<std::string> all;
  for (const api::Taint& taint : taints) {
    all.push_back(fmt::format("{}={}:{}", taint.key, taint.value, taint.effect));
  }
  return fmt::format("--register-with-taints={}", fmt::join(all, ","));
}

}  // namespace

Argv etcd_argv(const NodePaths& paths) {
  return with_flags(paths.program("etcd"),
                    {{"name", "master"},
                     {"data-dir", paths.etcd_data()},
                     {"listen-client-urls", "https://127.0.0.1:2379"},
                     {"advertise-client-urls", "https://127.0.0.1:2379"},
                     {"listen-peer-urls", "https://127.0.0.1:2380"},
                     {"initial-advertise-peer-urls", "https://127.0.0.1:2380"},
                     {"initial-cluster", "master=https://127.0.0.1:2380"},
                     {"cert-file", paths.certificate("etcd-server")},
                     {"key-file", paths.key("etcd-server")},
                     {"client-cert-auth", "true"},
                     {"trusted-ca-file", paths.given("etcd-ca.crt")},
                     {"peer-cert-file", paths.certificate("etcd-server")},
                     {"peer-key-file", paths.key("etcd-server")},
                     {"peer-client-cert-auth", "true"},
                     {"peer-trusted-ca-file", paths.given("etcd-ca.crt")},
                     // One member: nobody else's heartbeats to wait for. It leads within
                     // 300 ms, long before the API server asks; shorter ticks only burn the
                     // processor of an idle node (10 ms: 0.9 % of a core more).
                     {"heartbeat-interval", "50"},
                     {"election-timeout", "250"},
                     {"logger", "zap"},
                     {"log-level", "warn"}});
}

Argv containerd_argv(const NodePaths& paths) {
  return {paths.program("containerd"), "--config", paths.run + "/containerd.toml"};
}

Argv pause_import_argv(const api::NodeConfig& config, const NodePaths& paths,
                       const NodeFacts& facts) {
  Argv argv = {paths.program("ctr"),
               "--address",
               paths.containerd_socket(),
               "--namespace",
               "k8s.io",
               "images",
               "import",
               "--snapshotter",
               facts.snapshotter};
  if (traits_of(config).containerd_config_version > 2) {
    argv.emplace_back("--local");  // before, there was no other way
  }
  argv.push_back(paths.pause_image);
  return argv;
}

Argv api_server_argv(const api::NodeConfig& config, const NodePaths& paths,
                     const NodeFacts& facts) {
  return with_flags(paths.program("kube-apiserver"),
                    {{"advertise-address", facts.node_ip},
                     {"allow-privileged", "true"},
                     {"authorization-mode", "Node,RBAC"},
                     {"client-ca-file", paths.given("ca.crt")},
                     {"enable-admission-plugins", "NodeRestriction"},
                     {"etcd-cafile", paths.given("etcd-ca.crt")},
                     {"etcd-certfile", paths.certificate("apiserver-etcd-client")},
                     {"etcd-keyfile", paths.key("apiserver-etcd-client")},
                     {"etcd-servers", "https://127.0.0.1:2379"},
                     {"kubelet-certificate-authority", paths.given("ca.crt")},
                     {"kubelet-client-certificate", paths.certificate("apiserver-kubelet-client")},
                     {"kubelet-client-key", paths.key("apiserver-kubelet-client")},
                     {"kubelet-preferred-address-types", "InternalIP"},
                     {"profiling", "false"},
                     {"proxy-client-cert-file", paths.certificate("front-proxy-client")},
                     {"proxy-client-key-file", paths.key("front-proxy-client")},
                     {"requestheader-allowed-names", "front-proxy-client"},
                     {"requestheader-client-ca-file", paths.given("front-proxy-ca.crt")},
                     {"requestheader-extra-headers-prefix", "X-Remote-Extra-"},
                     {"requestheader-group-headers", "X-Remote-Group"},
                     {"requestheader-username-headers", "X-Remote-User"},
                     {"secure-port", "6443"},
                     {"service-account-issuer",
                      fmt::format("https://kubernetes.default.svc.{}", config.cluster_domain)},
                     {"service-account-key-file", paths.given("sa.pub")},
                     {"service-account-signing-key-file", paths.given("sa.key")},
                     {"service-cluster-ip-range", config.service_cidr},
                     {"tls-cert-file", paths.certificate("apiserver")},
                     {"tls-private-key-file", paths.key("apiserver")}});
}

Argv controller_manager_argv(const api::NodeConfig& config, const NodePaths& paths) {
  const std::string kubeconfig = paths.kubeconfig("controller-manager");
  Argv argv = with_flags(paths.program("kube-controller-manager"),
                         {{"allocate-node-cidrs", "false"},
                          {"authentication-kubeconfig", kubeconfig},
                          {"authorization-kubeconfig", kubeconfig},
                          {"bind-address", "127.0.0.1"},
                          {"client-ca-file", paths.given("ca.crt")},
                          {"cluster-name", config.cluster_name},
                          {"cluster-signing-cert-file", paths.given("ca.crt")},
                          {"cluster-signing-key-file", paths.given("ca.key")},
                          {"kubeconfig", kubeconfig},
                          {"leader-elect", "false"},
                          {"profiling", "false"},
                          {"requestheader-client-ca-file", paths.given("front-proxy-ca.crt")},
                          {"root-ca-file", paths.given("ca.crt")},
                          {"service-account-private-key-file", paths.given("sa.key")},
                          {"use-service-account-credentials", "true"}});
  close_plain_port(config, argv);
  return argv;
}

Argv scheduler_argv(const api::NodeConfig& config, const NodePaths& paths) {
  const std::string kubeconfig = paths.kubeconfig("scheduler");
  Argv argv =
      with_flags(paths.program("kube-scheduler"), {{"authentication-kubeconfig", kubeconfig},
                                                   {"authorization-kubeconfig", kubeconfig},
                                                   {"bind-address", "127.0.0.1"},
                                                   {"kubeconfig", kubeconfig},
                                                   {"leader-elect", "false"},
                                                   {"profiling", "false"}});
  close_plain_port(config, argv);
  return argv;
}

// A kubelet that is to set any other label does not start: the controller sets them.
// Source: k8s.io/kubelet/pkg/apis/well_known_labels.go.
bool kubelet_may_set(std::string_view label) {
  static constexpr std::array<std::string_view, 11> kAllowed = {
      "kubernetes.io/hostname",
      "kubernetes.io/os",
      "kubernetes.io/arch",
      "beta.kubernetes.io/os",
      "beta.kubernetes.io/arch",
      "beta.kubernetes.io/instance-type",
      "node.kubernetes.io/instance-type",
      "topology.kubernetes.io/zone",
      "topology.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone",
      "failure-domain.beta.kubernetes.io/region"};
  const std::size_t slash = label.find('/');
  const std::string domain =
      slash == std::string_view::npos ? "" : fmt::format(".{}", label.substr(0, slash));
  const auto is_in = [&domain](std::string_view parent) { return domain.ends_with(parent); };
  return (!is_in(".kubernetes.io") && !is_in(".k8s.io")) || is_in(".kubelet.kubernetes.io") ||
         is_in(".node.kubernetes.io") ||
         std::find(kAllowed.begin(), kAllowed.end(), label) != kAllowed.end();
}

Argv kubelet_argv(const api::NodeConfig& config, const NodePaths& paths, const NodeFacts& facts) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : config.labels) {
    if (kubelet_may_set(key)) {
      labels.push_back(fmt::format("{}={}", key, value));
    }
  }
  if (config.offers_volumes) {
    labels.push_back(fmt::format("{}=true", api::kVolumesLabel));
  }
  Argv argv = with_flags(paths.program("kubelet"), {{"config", paths.run + "/kubelet.json"},
                                                    {"kubeconfig", paths.kubeconfig("kubelet")},
                                                    {"cert-dir", paths.state + "/kubelet/pki"},
                                                    {"hostname-override", config.node_name},
                                                    {"node-ip", facts.node_ip}});
  if (!labels.empty()) {
    argv.push_back(fmt::format("--node-labels={}", fmt::join(labels, ",")));
  }
  const api::ReleaseTraits& traits = traits_of(config);
  if (!traits.kubelet_config_has_runtime) {
    argv.emplace_back("--container-runtime=remote");
    argv.push_back("--container-runtime-endpoint=" + runtime_endpoint(paths));
  }
  if (!traits.kubelet_config_has_taints && !config.taints.empty()) {
    argv.push_back(taints_flag(config.taints));
  }
  return argv;
}

Argv proxy_argv(const NodePaths& paths) {
  return {paths.program("kube-proxy"), fmt::format("--config={}/proxy.json", paths.run)};
}

Argv coredns_argv(const NodePaths& paths) {
  return {paths.program("coredns"), "-conf", paths.run + "/Corefile"};
}

ConfigFile cni_config_file(const api::NodeConfig& config, const NodePaths& paths,
                           const NodeFacts& facts) {
  return {paths.run + "/cni/10-vk8s.conflist", cni_conflist(config, paths, facts)};
}

std::vector<ConfigFile> registry_files(const api::NodeConfig& config, const NodePaths& paths,
                                       const NodeFacts& facts) {
  std::vector<ConfigFile> files;
  for (const api::RegistryMirror& mirror : config.mirrors) {
    files.push_back(hosts_toml(mirror, paths, facts));
  }
  return files;
}

Result<std::vector<ConfigFile>> config_files(const api::NodeConfig& config, const NodePaths& paths,
                                             const NodeFacts& facts) {
  const std::string kubelet = VK8S_TRY(kubelet_config(config, paths, facts));
  std::vector<ConfigFile> files{
      {paths.run + "/containerd.toml", containerd_toml(config, paths, facts)},
      cni_config_file(config, paths, facts),
      {paths.run + "/kubelet.json", kubelet},
      {paths.run + "/proxy.json", proxy_config(config, paths, facts)},
      {paths.run + "/resolv.conf", resolv_conf(config, facts)},
  };
  for (ConfigFile& file : registry_files(config, paths, facts)) {
    files.push_back(std::move(file));
  }
  if (config.role == api::NodeRole::kMaster) {
    const std::string text = VK8S_TRY(corefile(config, paths, facts));
    files.push_back({paths.run + "/Corefile", text});
  }
  return files;
}

std::string masquerade_rules(const api::NodeConfig& config) {
  // Added, then deleted, then made: the table is replaced whatever was there.
  return fmt::format(R"(table ip vk8s-masquerade
delete table ip vk8s-masquerade
table ip vk8s-masquerade {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {pods} ip daddr != {pods} masquerade
    # What a node itself sends to another node's pods must come back the same way.
    oifname "vk8s-vxlan" ip saddr != {pods} masquerade
  }}
}}
)",
                     fmt::arg("pods", config.pod_network_cidr));
}

Reserved reserved_for_system(const api::NodeConfig& config, const NodeFacts& facts) {
  const bool is_master = config.role == api::NodeRole::kMaster;
  Reserved reserved;
  if (config.memory_bytes > 0) {
    const std::int64_t outside =
        std::max<std::int64_t>(0, facts.machine_memory_bytes - config.memory_bytes);
    reserved.memory_bytes = outside + (is_master ? kMasterMemory : kWorkerMemory);
  }
  if (config.cpu_millis > 0) {
    const std::int64_t outside =
        std::max<std::int64_t>(0, std::int64_t{facts.machine_cpus} * 1000 - config.cpu_millis);
    reserved.cpu_millis = outside + (is_master ? kMasterCpuMillis : kWorkerCpuMillis);
  }
  return reserved;
}

Result<std::string> dns_listen_ip(const api::NodeConfig& config) {
  const auto cidr = VK8S_TRY_CONTEXT(base::Cidr::parse(config.pod_cidr), "pod_cidr");
  return VK8S_TRY(cidr.nth(0)).to_string();
}

}  // namespace vk8s::agent
