#include <algorithm>
#include <array>
#include <set>

#include "api/node_config.h"
#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::api {
namespace {

using base::printable;

constexpr std::size_t kMaxListed = 128;
// "system:node:<name>" is a common name, which ends at 64 bytes.
constexpr std::size_t kMaxNodeNameBytes = 52;

bool is_all_of(std::string_view text, std::string_view accepted) {
  return text.find_first_not_of(accepted) == std::string_view::npos;
}

// "1.37.2", "1.38.0-rc.1"
bool is_version(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  const std::string_view core = text.substr(0, text.find('-'));
  const std::string_view suffix = text.substr(std::min(core.size() + 1, text.size()));
  const auto parts = base::split(core, '.');
  const bool has_suffix = core.size() < text.size();
  return parts.size() == 3 &&
         std::all_of(parts.begin(), parts.end(),
                     [&](auto part) {
                       return !part.empty() && part.size() <= 4 && is_all_of(part, kDigits) &&
                              (part.size() == 1 || part[0] != '0');
                     }) &&
         (!has_suffix || (!suffix.empty() && suffix.size() <= 32 &&
                          is_all_of(suffix, "0123456789abcdefghijklmnopqrstuvwxyz.-")));
}

// "name", "name:5000", "10.0.0.1", "[fd00::1]:6443"
bool is_host_and_port(std::string_view text) {
  std::string_view port;
  bool is_host = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) {
      return false;
    }
    const auto address = IpAddress::parse(text.substr(1, end - 1));
    is_host = address && !address->is_v4();
    port = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    is_host = base::is_dns_subdomain(text.substr(0, colon));
    port = text.substr(colon);
  }
  const bool is_port = port.empty() || (port.size() >= 2 && port.size() <= 6 && port[0] == ':' &&
                                        is_all_of(port.substr(1), "0123456789") && port[1] != '0' &&
                                        std::stoi(std::string(port.substr(1))) <= 65535);
  return is_host && is_port;
}

// scheme "://" host [":" port], and a path if that is allowed.
bool is_url(std::string_view text, bool allow_http, bool allow_path) {
  if (text.starts_with("https://")) {
    text.remove_prefix(8);
  } else if (allow_http && text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return false;
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  constexpr std::string_view kPath =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-~";
  return is_host_and_port(text.substr(0, slash)) && (allow_path || slash == text.size()) &&
         is_all_of(text.substr(slash), kPath);
}

bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && text != ".." &&
         is_all_of(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
}

tl::unexpected<Error> refuse(std::string_view field, std::string_view value,
                             std::string_view wanted) {
  return fail(Errc::kInvalidArgument, "{}: \"{}\" {}", field, printable(value, 128), wanted);
}

Status validate_names(const NodeConfig& config) {
  if (!base::is_dns_label(config.cluster_name)) {
    return refuse("clusterName", config.cluster_name, "is not a DNS label (RFC 1123)");
  }
  if (!base::is_dns_label(config.node_name) || config.node_name.size() > kMaxNodeNameBytes) {
    return refuse("nodeName", config.node_name,
                  "is not a DNS label (RFC 1123) of at most 52 characters");
  }
  if (!is_version(config.kubernetes_version)) {
    return refuse("kubernetesVersion", config.kubernetes_version,
                  "is not a version: write it like 1.37.2");
  }
  if (!base::is_dns_subdomain(config.cluster_domain)) {
    return refuse("clusterDomain", config.cluster_domain, "is not a DNS name");
  }
  return {};
}

Result<Cidr> read_network(std::string_view field, const std::string& text) {
  const Cidr network = VK8S_TRY_CONTEXT(Cidr::parse(text), "{}", field);
  const IpAddress& first = network.network();
  if (first.is_unspecified() || first.is_loopback() || first.is_link_local() ||
      first.is_multicast()) {
    return refuse(field, text, "is a reserved network: choose a private one");
  }
  return network;
}

// Sizes that kube-apiserver (Services: at most 2^20) and a /24 per node (Pods) allow.
Status check_size(std::string_view field, const Cidr& network, int min_v4, int max_v4, int min_v6,
                  int max_v6) {
  const int min = network.is_v4() ? min_v4 : min_v6;
  const int max = network.is_v4() ? max_v4 : max_v6;
  if (network.prefix_length() < min || network.prefix_length() > max) {
    return fail(Errc::kInvalidArgument, "{}: {}: its prefix length must be {} to {}", field,
                network.to_string(), min, max);
  }
  return {};
}

Status validate_networks(const NodeConfig& config) {
  const Cidr pods = VK8S_TRY(read_network("podNetworkCidr", config.pod_network_cidr));
  const Cidr services = VK8S_TRY(read_network("serviceCidr", config.service_cidr));
  const Cidr own = VK8S_TRY(read_network("podCidr", config.pod_cidr));
  VK8S_TRY(check_size("podNetworkCidr", pods, 8, 28, 32, 120));
  VK8S_TRY(check_size("serviceCidr", services, 12, 28, 108, 124));
  VK8S_TRY(check_size("podCidr", own, 8, 28, 32, 120));
  if (pods.is_v4() != services.is_v4()) {
    return fail(Errc::kInvalidArgument, "serviceCidr: {} is not of the family of podNetworkCidr {}",
                services.to_string(), pods.to_string());
  }
  if (pods.overlaps(services)) {
    return fail(Errc::kInvalidArgument, "serviceCidr: {} overlaps podNetworkCidr {}",
                services.to_string(), pods.to_string());
  }
  if (!pods.contains(own)) {
    return fail(Errc::kInvalidArgument, "podCidr: {} is not part of podNetworkCidr {}",
                own.to_string(), pods.to_string());
  }
  return {};
}

Status validate_addresses(const NodeConfig& config) {
  if (config.role == NodeRole::kWorker && config.api_server.empty()) {
    return fail(Errc::kInvalidArgument, "apiServer: is required on a worker");
  }
  if (!config.api_server.empty() &&
      (config.api_server.size() > 512 || !is_url(config.api_server, false, false))) {
    return refuse("apiServer", config.api_server, "is not like https://host:6443");
  }
  for (const std::string& name : config.api_server_sans) {
    if (!base::is_certificate_dns_name(name) && !IpAddress::parse(name)) {
      return refuse("apiServerSANs", name, "is neither a DNS name nor an IP address");
    }
  }
  for (const std::string& address : config.upstream_dns) {
    if (!IpAddress::parse(address)) {
      return refuse("upstreamDNS", address, "is not an IP address");
    }
  }
  return {};
}

Status validate_labels(const NodeConfig& config) {
  for (const auto& [key, value] : config.labels) {
    if (!base::is_qualified_name(key)) {
      return refuse("labels", key, "is not a label key");
    }
    if (key == kVolumesLabel) {
      return refuse("labels", key, "follows from the node's storage: leave it out");
    }
    if (!base::is_label_value(value)) {
      return refuse(fmt::format("labels[{}]", key), value, "is not a label value");
    }
  }
  std::set<std::pair<std::string_view, std::string_view>> seen;
  constexpr std::array<std::string_view, 3> kEffects = {"NoSchedule", "PreferNoSchedule",
                                                        "NoExecute"};
  for (const Taint& taint : config.taints) {
    if (!base::is_qualified_name(taint.key)) {
      return refuse("taints", taint.key, "is not a taint key");
    }
    if (!base::is_label_value(taint.value)) {
      return refuse(fmt::format("taints[{}]", taint.key), taint.value, "is not a taint value");
    }
    if (std::find(kEffects.begin(), kEffects.end(), taint.effect) == kEffects.end()) {
      return refuse(fmt::format("taints[{}]", taint.key), taint.effect,
                    "is not NoSchedule, PreferNoSchedule or NoExecute");
    }
    if (!seen.emplace(taint.key, taint.effect).second) {
      return refuse("taints", taint.key, "stands twice with the same effect");
    }
  }
  return {};
}

Status validate_mirrors(const NodeConfig& config) {
  std::set<std::string_view> seen;
  for (const RegistryMirror& mirror : config.mirrors) {
    if (mirror.name != "*" && !is_host_and_port(mirror.name)) {
      return refuse("mirrors", mirror.name, "is not a registry like docker.io, host:5000 or *");
    }
    if (!seen.insert(mirror.name).second) {
      return refuse("mirrors", mirror.name, "stands twice");
    }
    if (mirror.url.size() > 512 || !is_url(mirror.url, true, true)) {
      return refuse(fmt::format("mirrors[{}]", mirror.name), mirror.url,
                    "is not like https://host:5000");
    }
    if (!mirror.ca_file.empty() && !is_file_name(mirror.ca_file)) {
      return refuse(fmt::format("mirrors[{}]", mirror.name), mirror.ca_file,
                    "is not a file of the configuration directory");
    }
  }
  return {};
}

}  // namespace

Status validate(const NodeConfig& config) {
  for (const std::size_t count :
       {config.api_server_sans.size(), config.upstream_dns.size(), config.labels.size(),
        config.taints.size(), config.mirrors.size()}) {
    if (count > kMaxListed) {
      return fail(Errc::kInvalidArgument,
                  "apiServerSANs, upstreamDNS, labels, taints and mirrors: at most {} of each",
                  kMaxListed);
    }
  }
  if (config.cpu_millis < 0 || config.memory_bytes < 0 || config.storage_bytes < 0) {
    return fail(Errc::kInvalidArgument,
                "cpuMillis, memoryBytes and storageBytes: 0 (no limit) or more");
  }
  VK8S_TRY(validate_names(config));
  VK8S_TRY(validate_networks(config));
  VK8S_TRY(validate_addresses(config));
  VK8S_TRY(validate_labels(config));
  return validate_mirrors(config);
}

}  // namespace vk8s::api
