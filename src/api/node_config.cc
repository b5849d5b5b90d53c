#include "api/node_config.h"

#include "api/object_reader.h"

namespace vk8s::api {
namespace {

constexpr std::size_t kMaxBytes = 256U << 10U;
constexpr std::size_t kMaxListed = 128;
constexpr std::int64_t kMaxQuantity = std::int64_t{1} << 60;

JsonArray to_array(const std::vector<std::string>& strings) {
  return JsonArray(strings.begin(), strings.end());
}

Json to_json(const Taint& taint) {
  return {{"key", taint.key}, {"value", taint.value}, {"effect", taint.effect}};
}

Json to_json(const RegistryMirror& mirror) {
  return {{"name", mirror.name}, {"url", mirror.url}, {"caFile", mirror.ca_file}};
}

NodeRole read_role(ObjectReader& reader) {
  const std::string role = reader.required_string("role", 16);
  if (role != to_string(NodeRole::kMaster) && role != to_string(NodeRole::kWorker)) {
    reader.fail_with(Error(Errc::kInvalidArgument, "role: must be master or worker"));
  }
  return role == to_string(NodeRole::kWorker) ? NodeRole::kWorker : NodeRole::kMaster;
}

Taint read_taint(ObjectReader& reader) {
  return {.key = reader.required_string("key", 317),
          .value = reader.optional_string("value", 63),
          .effect = reader.required_string("effect", 32)};
}

RegistryMirror read_mirror(ObjectReader& reader) {
  return {.name = reader.required_string("name", 260),
          .url = reader.required_string("url", 512),
          .ca_file = reader.optional_string("caFile", 253)};
}

// Reads a list of objects; a failure of one becomes the reader's.
template <class T>
std::vector<T> read_list(ObjectReader& reader, std::string_view field, T (*read)(ObjectReader&)) {
  std::vector<T> list;
  for (const auto& element : reader.optional_elements(field, kMaxListed)) {
    ObjectReader inner(*element.value, element.path);
    list.push_back(read(inner));
    if (auto status = inner.finish(); !status) {
      reader.fail_with(std::move(status).error());
    }
  }
  return list;
}

std::map<std::string, std::string> read_labels(ObjectReader& reader) {
  std::map<std::string, std::string> labels;
  for (const auto& [key, element] : reader.optional_members("labels", kMaxListed)) {
    const auto* text = element.value->if_string();
    if (text == nullptr) {
      reader.fail_with(
          Error(Errc::kInvalidArgument, fmt::format("{}: must be a string", element.path)));
    } else {
      labels.emplace(key, std::string(text->data(), text->size()));
    }
  }
  return labels;
}

void check_version(ObjectReader& reader) {
  const std::string version = reader.required_string("apiVersion", 128);
  if (!version.empty() && version != kAgentApiVersion) {
    reader.fail_with(
        Error(Errc::kInvalidArgument,
              fmt::format("apiVersion: this program understands {} only: use the same release of "
                          "controller and node image",
                          kAgentApiVersion)));
  }
}

}  // namespace

std::string_view to_string(NodeRole role) {
  return role == NodeRole::kMaster ? "master" : "worker";
}

Json to_json(const NodeConfig& config) {
  JsonObject labels;
  for (const auto& [key, value] : config.labels) {
    labels.emplace(key, value);
  }
  JsonArray taints;
  for (const Taint& taint : config.taints) {
    taints.push_back(to_json(taint));
  }
  JsonArray mirrors;
  for (const RegistryMirror& mirror : config.mirrors) {
    mirrors.push_back(to_json(mirror));
  }
  const std::string_view role = to_string(config.role);
  const std::string_view version = kAgentApiVersion;
  return {{"apiVersion", boost::json::string_view(version.data(), version.size())},
          {"clusterName", config.cluster_name},
          {"nodeName", config.node_name},
          {"role", boost::json::string_view(role.data(), role.size())},
          {"kubernetesVersion", config.kubernetes_version},
          {"podNetworkCidr", config.pod_network_cidr},
          {"serviceCidr", config.service_cidr},
          {"podCidr", config.pod_cidr},
          {"clusterDomain", config.cluster_domain},
          {"apiServer", config.api_server},
          {"apiServerSANs", to_array(config.api_server_sans)},
          {"upstreamDNS", to_array(config.upstream_dns)},
          {"labels", std::move(labels)},
          {"taints", std::move(taints)},
          {"mirrors", std::move(mirrors)},
          {"cpuMillis", config.cpu_millis},
          {"memoryBytes", config.memory_bytes},
          {"storageBytes", config.storage_bytes},
          {"offersVolumes", config.offers_volumes},
          {"hostNode", config.is_host_node}};
}

Result<NodeConfig> parse_node_config(std::string_view json) {
  const Json document =
      VK8S_TRY_CONTEXT(base::parse_json(json, kMaxBytes), "read {}", kNodeConfigFile);
  ObjectReader reader(document, "");
  check_version(reader);
  NodeConfig config;
  config.cluster_name = reader.required_string("clusterName", 253);
  config.node_name = reader.required_string("nodeName", 253);
  config.role = read_role(reader);
  config.kubernetes_version = reader.required_string("kubernetesVersion", 64);
  config.pod_network_cidr = reader.required_string("podNetworkCidr", 64);
  config.service_cidr = reader.required_string("serviceCidr", 64);
  config.pod_cidr = reader.required_string("podCidr", 64);
  if (std::string domain = reader.optional_string("clusterDomain", 253); !domain.empty()) {
    config.cluster_domain = std::move(domain);
  }
  config.api_server = reader.optional_string("apiServer", 512);
  config.api_server_sans = reader.optional_strings("apiServerSANs", kMaxListed, 253);
  config.upstream_dns = reader.optional_strings("upstreamDNS", kMaxListed, 64);
  config.labels = read_labels(reader);
  config.taints = read_list(reader, "taints", read_taint);
  config.mirrors = read_list(reader, "mirrors", read_mirror);
  config.cpu_millis = reader.optional_int("cpuMillis", 0, kMaxQuantity);
  config.memory_bytes = reader.optional_int("memoryBytes", 0, kMaxQuantity);
  config.storage_bytes = reader.optional_int("storageBytes", 0, kMaxQuantity);
  config.offers_volumes = reader.optional_bool("offersVolumes");
  config.is_host_node = reader.optional_bool("hostNode");
  VK8S_TRY_CONTEXT(reader.finish(), "{}", kNodeConfigFile);
  VK8S_TRY_CONTEXT(validate(config), "{}", kNodeConfigFile);
  return config;
}

}  // namespace vk8s::api
