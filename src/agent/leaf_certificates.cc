#include "agent/leaf_certificates.h"

#include <algorithm>

#include "base/cidr.h"
#include "base/json.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

Leaf client_leaf(std::string name, std::string ca, std::string user) {
  return {.name = std::move(name),
          .ca = std::move(ca),
          .request = {.subject = {.common_name = std::move(user), .organizations = {}},
                      .dns_names = {},
                      .ip_addresses = {},
                      .client = true}};
}

bool is_ip(const std::string& name) { return base::IpAddress::parse(name).has_value(); }

bool contains_all(const std::vector<std::string>& have, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
    return std::find(have.begin(), have.end(), name) != have.end();
  });
}

Leaf api_server_leaf(const api::NodeConfig& config, const std::string& node_ip) {
  Leaf leaf{.name = "apiserver",
            .ca = "ca",
            .request = {.subject = {.common_name = "kube-apiserver", .organizations = {}},
                        .dns_names = {"kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                      "kubernetes.default.svc." + config.cluster_domain,
                                      "localhost", config.node_name},
                        .ip_addresses = {"127.0.0.1", node_ip},
                        .server = true}};
  if (const auto ip = api_service_ip(config)) {
    leaf.request.ip_addresses.push_back(*ip);
  }
  for (const std::string& name : config.api_server_sans) {
    (is_ip(name) ? leaf.request.ip_addresses : leaf.request.dns_names).push_back(name);
  }
  return leaf;
}

// Whether the leaf on disk still serves.
bool is_current(const NodePaths& paths, const Leaf& leaf, const std::string& ca_pem,
                pki::WallTime now) {
  const auto certificate = sys::read_file(paths.certificate(leaf.name));
  const auto key = sys::read_file(paths.key(leaf.name));
  if (!certificate || !key) {
    return false;
  }
  const auto info = pki::parse_certificate(*certificate);
  return info && pki::is_signed_by(*certificate, ca_pem) && pki::matches_key(*certificate, *key) &&
         info->subject.common_name == leaf.request.subject.common_name &&
         contains_all(info->dns_names, leaf.request.dns_names) &&
         contains_all(info->ip_addresses, leaf.request.ip_addresses) &&
         now < pki::renewal_time(*info);
}

Result<pki::KeyPair> read_ca(const NodePaths& paths, const std::string& name) {
  pki::KeyPair pair;
  pair.certificate_pem = VK8S_TRY(sys::read_file(paths.given(name + ".crt")));
  pair.key_pem = VK8S_TRY(sys::read_file(paths.given(name + ".key")));
  return pair;
}

// Certificates are named by file, so a client reads a renewed one by itself.
Status write_kubeconfig(const NodePaths& paths, const std::string& component,
                        const std::string& server, const std::string& certificate,
                        const std::string& key) {
  const Json kubeconfig{
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters",
       JsonArray{JsonObject{
           {"name", "vk8s"},
           {"cluster", {{"server", server}, {"certificate-authority", paths.given("ca.crt")}}}}}},
      {"users",
       JsonArray{JsonObject{{"name", component},
                            {"user", {{"client-certificate", certificate}, {"client-key", key}}}}}},
      {"contexts", JsonArray{JsonObject{{"name", "vk8s"},
                                        {"context", {{"cluster", "vk8s"}, {"user", component}}}}}},
      {"current-context", "vk8s"}};
  return sys::write_file(paths.kubeconfig(component), base::to_string(kubeconfig), {.mode = 0600});
}

}  // namespace

Result<std::string> api_service_ip(const api::NodeConfig& config) {
  const auto cidr = VK8S_TRY_CONTEXT(base::Cidr::parse(config.service_cidr), "service_cidr");
  return VK8S_TRY(cidr.nth(1)).to_string();
}

Result<std::string> dns_service_ip(const api::NodeConfig& config) {
  const auto cidr = VK8S_TRY_CONTEXT(base::Cidr::parse(config.service_cidr), "service_cidr");
  return VK8S_TRY(cidr.nth(10)).to_string();
}

std::string api_server_url(const api::NodeConfig& config) {
  return config.api_server.empty() ? "https://127.0.0.1:6443" : config.api_server;
}

std::vector<Leaf> master_leaves(const api::NodeConfig& config, const std::string& node_ip) {
  Leaf etcd{.name = "etcd-server",
            .ca = "etcd-ca",
            .request = {.subject = {.common_name = "etcd-server", .organizations = {}},
                        .dns_names = {"localhost"},
                        .ip_addresses = {"127.0.0.1"},
                        .server = true,
                        .client = true}};
  return {std::move(etcd),
          api_server_leaf(config, node_ip),
          client_leaf("apiserver-etcd-client", "etcd-ca", "kube-apiserver"),
          client_leaf("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client"),
          client_leaf("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
          client_leaf("controller-manager", "ca", "system:kube-controller-manager"),
          client_leaf("scheduler", "ca", "system:kube-scheduler"),
          client_leaf("coredns", "ca", "vk8s:coredns")};
}

Result<std::vector<std::string>> ensure_leaves(const NodePaths& paths,
                                               const std::vector<Leaf>& leaves, pki::WallTime now) {
  VK8S_TRY(sys::ensure_directory(paths.state + "/pki", 0700));
  std::vector<std::string> issued;
  for (const Leaf& leaf : leaves) {
    const auto ca = VK8S_TRY_CONTEXT(read_ca(paths, leaf.ca), "CA of certificate {}", leaf.name);
    if (is_current(paths, leaf, ca.certificate_pem, now)) {
      continue;
    }
    const auto pair =
        VK8S_TRY_CONTEXT(pki::issue(ca, leaf.request), "issue certificate {}", leaf.name);
    // A pair written half is noticed by matches_key() at the next start.
    VK8S_TRY(sys::write_file(paths.key(leaf.name), pair.key_pem, {.mode = 0600}));
    VK8S_TRY(sys::write_file(paths.certificate(leaf.name), pair.certificate_pem));
    issued.push_back(leaf.name);
  }
  return issued;
}

Status write_kubeconfigs(const NodePaths& paths, const api::NodeConfig& config) {
  const std::string server = api_server_url(config);
  for (const char* name : {"kubelet", "proxy"}) {
    const std::string file(name);
    VK8S_TRY(write_kubeconfig(paths, name, server, paths.given(file + ".crt"),
                              paths.given(file + ".key")));
  }
  if (config.role == api::NodeRole::kMaster) {
    for (const char* name : {"controller-manager", "scheduler", "coredns"}) {
      VK8S_TRY(write_kubeconfig(paths, name, server, paths.certificate(name), paths.key(name)));
    }
  }
  return {};
}

Result<pki::KeyPair> issue_bootstrap_identity(const NodePaths& paths) {
  const auto ca = VK8S_TRY(read_ca(paths, "ca"));
  return pki::issue(
      ca, {.subject = {.common_name = "vk8s:bootstrap", .organizations = {"system:masters"}},
           .dns_names = {},
           .ip_addresses = {},
           .client = true});
}

}  // namespace vk8s::agent
