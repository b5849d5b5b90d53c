#include <fmt/format.h>

#include <algorithm>

#include "api/quantity.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kRegistryCaFile = "registry-ca.crt";

std::int64_t limit_of(const api::NodeSpec& node, std::string_view name,
                      Result<std::int64_t> (*parse)(std::string_view)) {
  const Json* limits = node.resources.if_contains("limits");
  const JsonObject* entries = limits == nullptr ? nullptr : limits->if_object();
  const Json* limit =
      entries == nullptr ? nullptr : entries->if_contains({name.data(), name.size()});
  if (limit == nullptr) {
    return 0;
  }
  return parse(limit->is_string() ? std::string(limit->get_string()) : base::to_string(*limit))
      .value_or(0);
}

// Every name and address the API server is reached by.
std::vector<std::string> api_server_names(const Cluster& cluster) {
  const std::string service = cluster.api_service();
  const std::string& in = cluster.namespace_name();
  std::vector<std::string> out = {
      service,
      fmt::format("{}.{}", service, in),
      fmt::format("{}.{}.svc", service, in),
      fmt::format("{}.{}.svc.cluster.local", service, in),
      agent_server_name(cluster, cluster.vk8s.master().name),
  };
  if (!cluster.host.api_address.empty()) {
    out.push_back(cluster.host.api_address);
  }
  const auto add = [&out](const std::vector<std::string>& names) {
    out.insert(out.end(), names.begin(), names.end());
  };
  add(cluster.host.node_addresses);
  add(cluster.vk8s.spec.extra_sans);
  return out;
}

api::NodeConfig node_config(const Cluster& cluster, const api::NodeSpec& node) {
  const api::Vk8sSpec& spec = cluster.vk8s.spec;
  api::NodeConfig out;
  out.cluster_name = cluster.name();
  out.node_name = node.name;
  out.role = node.role;
  out.kubernetes_version = cluster.release.version;
  out.pod_network_cidr = spec.pod_network_cidr;
  out.service_cidr = spec.service_cidr;
  if (const auto cidr = cluster.pod_cidrs.find(node.name); cidr != cluster.pod_cidrs.end()) {
    out.pod_cidr = cidr->second;
  }
  if (node.role == api::NodeRole::kWorker) {
    out.api_server = cluster.internal_endpoint();
  } else {
    out.api_server_sans = api_server_names(cluster);
  }
  out.upstream_dns = spec.upstream_dns;
  out.labels = node.labels;
  out.taints = node.taints;
  if (!cluster.settings.registry_mirror.empty()) {
    out.mirrors.push_back(
        {.name = "*",
         .url = cluster.settings.registry_mirror,
         .ca_file = std::string(cluster.settings.registry_ca_pem.empty() ? "" : kRegistryCaFile)});
  }
  out.cpu_millis = limit_of(node, "cpu", api::parse_quantity_millis);
  out.memory_bytes = limit_of(node, "memory", api::parse_quantity);
  if (!node.storage.size.empty()) {
    out.storage_bytes = api::parse_quantity(node.storage.size).value_or(0);
  }
  out.offers_volumes = node.storage.offers_volumes;
  return out;
}

}  // namespace

std::string node_config_fingerprint(const Cluster& cluster, const api::NodeSpec& node) {
  Cluster without_host = cluster;
  without_host.host = {};
  api::NodeConfig config = node_config(without_host, node);
  config.labels.clear();
  config.taints.clear();
  return fingerprint({base::to_string(api::to_json(config)), cluster.settings.registry_ca_pem});
}

namespace {

// What a node is told: node.json follows the spec, the certificates are kept
// until they are due or what they were made from changes.
class NodeConfigSecret final : public SecretResource {
 public:
  explicit NodeConfigSecret(std::string node_name) : node_name_(std::move(node_name)) {}

  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kSecret, config_secret_of(node_name_));
  }

  std::string inputs(const Cluster& cluster) const override {
    const api::NodeSpec* node = cluster.vk8s.find_node(node_name_);
    return node == nullptr ? std::string()
                           : (cluster.frozen ? "frozen" : node_json(cluster, *node)) +
                                 cluster.settings.registry_ca_pem + cluster.registry_auth;
  }

  Result<Content> content(const Cluster& cluster, const Content& existing,
                          pki::WallTime now) const override {
    const api::NodeSpec* node = cluster.vk8s.find_node(node_name_);
    if (node == nullptr) {
      return fail(Errc::kNotFound, "node \"{}\" is not in spec.nodes", node_name_);
    }
    const std::string config = VK8S_TRY(config_of(cluster, *node, existing));
    Content out = existing;
    out.note = fingerprint({cluster.pki.at("ca.crt"), cluster.agent_ca.at("agent-ca.crt"),
                            agent_server_name(cluster, node_name_)});
    if (existing.note != out.note || is_due(existing.files, now)) {
      out.files = VK8S_TRY_CONTEXT(
          api::create_node_pki(cluster.pki, cluster.agent_ca, node_name_,
                               {agent_server_name(cluster, node_name_),
                                fmt::format("{}.{}", pod_of(node_name_), cluster.peers_service())}),
          "certificates of node \"{}\"", node_name_);
    }
    out.files[std::string(api::kNodeConfigFile)] = config;
    put(out.files, kRegistryCaFile, cluster.settings.registry_ca_pem);
    put(out.files, api::kRegistryAuthFile, cluster.registry_auth);
    return out;
  }

 private:
  // A frozen node is told what it was told before: its image is the old one.
  static Result<std::string> config_of(const Cluster& cluster, const api::NodeSpec& node,
                                       const Content& existing) {
    const auto before = existing.files.find(std::string(api::kNodeConfigFile));
    if (cluster.frozen && before != existing.files.end()) {
      return before->second;
    }
    VK8S_TRY_CONTEXT(api::validate(node_config(cluster, node)), "node \"{}\"", node.name);
    return node_json(cluster, node);
  }

  static std::string node_json(const Cluster& cluster, const api::NodeSpec& node) {
    return base::to_string(api::to_json(node_config(cluster, node)));
  }

  static void put(api::FileSet& files, std::string_view name, const std::string& content) {
    files.erase(std::string(name));
    if (!content.empty()) {
      files[std::string(name)] = content;
    }
  }

  static bool is_due(const api::FileSet& files, pki::WallTime now) {
    static constexpr std::string_view kNames[] = {"kubelet", "proxy", "agent-kube", "agent"};
    return std::any_of(std::begin(kNames), std::end(kNames), [&](std::string_view name) {
      const auto certificate = files.find(fmt::format("{}.crt", name));
      if (certificate == files.end() || !files.contains(fmt::format("{}.key", name))) {
        return true;
      }
      const auto info = pki::parse_certificate(certificate->second);
      return !info || pki::renewal_time(*info) <= now;
    });
  }

  std::string node_name_;
};

}  // namespace

std::unique_ptr<SecretResource> make_node_config_secret(std::string node_name) {
  return std::make_unique<NodeConfigSecret>(std::move(node_name));
}

}  // namespace vk8s::controller
