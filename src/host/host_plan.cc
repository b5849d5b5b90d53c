#include "host/host_plan.h"

#include <algorithm>

#include "api/version_catalogue.h"
#include "base/text.h"

namespace vk8s::host {
namespace {

constexpr std::uint64_t kRegistryIndex = 2;
constexpr std::uint64_t kFirstNodeIndex = 10;
constexpr int kPodPrefixLength = 24;
// "vk8s" + "n64": a link's name has at most 15 characters.
constexpr std::size_t kMaxNameLength = 11;
constexpr std::string_view kApiVersion = "host.vk8s.sktelecom.com/v1alpha1";

Status check_name(const std::string& name) {
  const bool valid = !name.empty() && name.size() <= kMaxNameLength && name.front() >= 'a' &&
                     name.front() <= 'z' && std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                     });
  if (!valid) {
    return fail(Errc::kInvalidArgument,
                "--name \"{}\": 1 to {} lower-case letters and digits, a letter first",
                base::printable(name, 40), kMaxNameLength);
  }
  return {};
}

Result<Cidr> parse_network(std::string_view option, const std::string& text, int longest_prefix) {
  const Cidr network = VK8S_TRY_CONTEXT(Cidr::parse(text), "{}", option);
  if (!network.is_v4() || network.prefix_length() > longest_prefix) {
    return fail(Errc::kInvalidArgument, "{} {}: an IPv4 network of /{} or larger is needed", option,
                text, longest_prefix);
  }
  return network;
}

Result<ContainerPlan> plan_container(const HostSettings& settings, const std::string& state_folder,
                                     std::string name, std::string link, std::uint64_t index) {
  const Cidr subnet = VK8S_TRY(Cidr::parse(settings.subnet));
  const IpAddress address = VK8S_TRY(subnet.nth(index));
  std::string id = fmt::format("{}-{}", settings.name, name);
  return ContainerPlan{.name = name,
                       .id = id,
                       .netns = std::move(id),
                       .link = std::move(link),
                       .address = address.to_string(),
                       .cgroup = fmt::format("/{}-host/{}", settings.name, name),
                       .folder = fmt::format("{}/{}", state_folder, name)};
}

Result<std::string> text_at(const Json& json, std::string_view key) {
  const auto text = base::get_string(json, key);
  if (!text) {
    return fail(Errc::kInvalidArgument, "host.json: \"{}\" is absent or no text", key);
  }
  return std::string(*text);
}

Result<std::string> plan_address_pool(const Cidr& pods, const std::vector<NodePlan>& nodes) {
  const Cidr quarter = VK8S_TRY(pods.subnet(pods.prefix_length() + 2, 3));
  for (const NodePlan& node : nodes) {
    if (VK8S_TRY(Cidr::parse(node.pod_cidr)).overlaps(quarter)) {
      return std::string();
    }
  }
  return quarter.to_string();
}

}  // namespace

Status validate(const HostSettings& settings) {
  VK8S_TRY(check_name(settings.name));
  const Cidr subnet = VK8S_TRY(parse_network("--subnet", settings.subnet, 24));
  const Cidr pods =
      VK8S_TRY(parse_network("--pod-network-cidr", settings.pod_network_cidr, kPodPrefixLength));
  const Cidr services = VK8S_TRY(parse_network("--service-cidr", settings.service_cidr, 28));
  if (subnet.overlaps(pods) || subnet.overlaps(services) || pods.overlaps(services)) {
    return fail(Errc::kInvalidArgument,
                "--subnet {}, --pod-network-cidr {} and --service-cidr {} overlap", settings.subnet,
                settings.pod_network_cidr, settings.service_cidr);
  }
  const std::uint64_t blocks = std::uint64_t{1} << (kPodPrefixLength - pods.prefix_length());
  const std::uint64_t most = std::min<std::uint64_t>(kMaxNodes, blocks);
  if (settings.node_count < 1 || static_cast<std::uint64_t>(settings.node_count) > most) {
    return fail(Errc::kInvalidArgument, "--nodes {}: 1 to {} are possible", settings.node_count,
                most);
  }
  if (settings.rootfs.empty() || settings.rootfs.front() != '/') {
    return fail(Errc::kInvalidArgument,
                "--rootfs \"{}\": the absolute path of an unpacked vnode image is needed",
                settings.rootfs);
  }
  return {};
}

Json to_json(const HostSettings& settings) {
  return JsonObject{{"apiVersion", kApiVersion},
                    {"name", settings.name},
                    {"subnet", settings.subnet},
                    {"podNetworkCidr", settings.pod_network_cidr},
                    {"serviceCidr", settings.service_cidr},
                    {"kubernetesVersion", settings.kubernetes_version},
                    {"rootfs", settings.rootfs},
                    {"registryRootfs", settings.registry_rootfs},
                    {"nodeCount", settings.node_count}};
}

Result<HostSettings> parse_host_settings(std::string_view json) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(json, 64U << 10U), "host.json");
  const std::string version = VK8S_TRY(text_at(document, "apiVersion"));
  if (version != kApiVersion) {
    return fail(Errc::kUnsupported, "host.json is of version \"{}\", this program reads {}",
                base::printable(version, 80), kApiVersion);
  }
  HostSettings settings;
  settings.name = VK8S_TRY(text_at(document, "name"));
  settings.subnet = VK8S_TRY(text_at(document, "subnet"));
  settings.pod_network_cidr = VK8S_TRY(text_at(document, "podNetworkCidr"));
  settings.service_cidr = VK8S_TRY(text_at(document, "serviceCidr"));
  settings.kubernetes_version = VK8S_TRY(text_at(document, "kubernetesVersion"));
  settings.rootfs = VK8S_TRY(text_at(document, "rootfs"));
  settings.registry_rootfs = VK8S_TRY(text_at(document, "registryRootfs"));
  settings.node_count = static_cast<int>(
      std::clamp<std::int64_t>(base::get_int(document, "nodeCount").value_or(0), 0, kMaxNodes + 1));
  VK8S_TRY_CONTEXT(validate(settings), "host.json");
  return settings;
}

Result<HostPlan> make_plan(const HostSettings& settings, const std::string& state_folder) {
  const Cidr subnet = VK8S_TRY(Cidr::parse(settings.subnet));
  const Cidr pods = VK8S_TRY(Cidr::parse(settings.pod_network_cidr));
  const IpAddress gateway = VK8S_TRY(subnet.nth(1));
  HostPlan plan;
  plan.name = settings.name;
  plan.bridge = settings.name + "0";
  plan.bridge_address = gateway.to_string();
  plan.prefix_length = subnet.prefix_length();
  plan.cgroup = fmt::format("/{}-host", settings.name);
  plan.run_folder = fmt::format("/run/{}-host", settings.name);
  plan.state_folder = state_folder;
  plan.registry = VK8S_TRY(plan_container(settings, state_folder, std::string(kRegistryName),
                                          settings.name + "r1", kRegistryIndex));
  for (int i = 0; i < settings.node_count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const Cidr own_pods = VK8S_TRY(pods.subnet(kPodPrefixLength, index));
    ContainerPlan container = VK8S_TRY(
        plan_container(settings, state_folder, fmt::format("host-{}", i + 1),
                       fmt::format("{}n{}", settings.name, i + 1), kFirstNodeIndex + index));
    plan.nodes.push_back({.container = std::move(container),
                          .role = i == 0 ? api::NodeRole::kMaster : api::NodeRole::kWorker,
                          .pod_cidr = own_pods.to_string()});
  }
  plan.api_server = fmt::format("https://{}:6443", plan.nodes.front().container.address);
  plan.address_pool = VK8S_TRY(plan_address_pool(pods, plan.nodes));
  return plan;
}

api::NodeConfig make_node_config(const HostSettings& settings, const HostPlan& plan,
                                 const NodePlan& node) {
  api::NodeConfig config;
  config.cluster_name = settings.name;
  config.node_name = node.container.name;
  config.role = node.role;
  config.kubernetes_version = settings.kubernetes_version;
  config.pod_network_cidr = settings.pod_network_cidr;
  config.service_cidr = settings.service_cidr;
  config.pod_cidr = node.pod_cidr;
  config.offers_volumes = true;  // their state is in the machine's state folder
  config.is_host_node = true;
  if (node.role == api::NodeRole::kMaster) {
    config.api_server_sans = {node.container.address, node.container.name};
  } else {
    config.api_server = plan.api_server;
  }
  if (!settings.registry_rootfs.empty()) {
    const std::string registry = fmt::format("{}:5000", plan.registry.address);
    config.mirrors.push_back(
        {.name = registry, .url = fmt::format("https://{}", registry), .ca_file = "ca.crt"});
    // Names without a registry, and those of any other, are looked up here too:
    // a host without Internet has what was pushed.
    config.mirrors.push_back(
        {.name = "*", .url = fmt::format("https://{}", registry), .ca_file = "ca.crt"});
  }
  return config;
}

}  // namespace vk8s::host
