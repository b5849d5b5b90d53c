#include "api/cluster_pki.h"

#include <algorithm>
#include <optional>

#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::api {
namespace {

constexpr std::string_view kAgentReader = "vk8s-controller";

void add(FileSet& files, std::string_view name, pki::KeyPair pair) {
  files[fmt::format("{}.crt", name)] = std::move(pair.certificate_pem);
  files[fmt::format("{}.key", name)] = std::move(pair.key_pem);
}

Result<std::string> file(const FileSet& files, const std::string& name) {
  const auto found = files.find(name);
  if (found == files.end()) {
    return fail(Errc::kNotFound, "{} is not among the PKI files", name);
  }
  return found->second;
}

// The cluster's name tells the CAs of clusters apart where they are listed. Names
// of subjects end at 64 bytes.
pki::Subject ca_subject(std::string_view name, std::string_view cluster_name) {
  return {.common_name = std::string(name),
          .organizations = {std::string(cluster_name.substr(0, 64))}};
}

Status check_name(std::string_view what, std::string_view name) {
  if (!base::is_dns_subdomain(name)) {
    return fail(Errc::kInvalidArgument, "{} \"{}\" is not a DNS name (RFC 1123)", what,
                base::printable(name, 128));
  }
  return {};
}

pki::LeafRequest client_request(std::string common_name, std::vector<std::string> groups) {
  pki::LeafRequest request;
  request.subject = {.common_name = std::move(common_name), .organizations = std::move(groups)};
  request.client = true;
  return request;
}

// A kubeconfig's strings stand between double quotes: what would end them, or is
// no name at all, is refused.
Status check_quotable(std::string_view what, std::string_view text) {
  const bool plain =
      !text.empty() && text.size() <= 512 && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < 0x7F && c != '"' && c != '\\';
      });
  if (!plain) {
    return fail(Errc::kInvalidArgument, "kubeconfig: {} \"{}\" holds blanks, quotes or controls",
                what, base::printable(text, 128));
  }
  return {};
}

std::string format_kubeconfig(const KubeconfigRequest& request, std::string_view ca_pem,
                              const pki::KeyPair& client) {
  return fmt::format(R"(apiVersion: v1
kind: Config
clusters:
- name: "{cluster}"
  cluster:
    server: "{server}"
    certificate-authority-data: {ca}
users:
- name: "{user}"
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: "{user}@{cluster}"
  context:
    cluster: "{cluster}"
    user: "{user}"
current-context: "{user}@{cluster}"
)",
                     fmt::arg("cluster", request.cluster_name), fmt::arg("server", request.server),
                     fmt::arg("user", request.user), fmt::arg("ca", pki::base64_encode(ca_pem)),
                     fmt::arg("certificate", pki::base64_encode(client.certificate_pem)),
                     fmt::arg("key", pki::base64_encode(client.key_pem)));
}

Result<pki::KeyPair> issue_agent_server(const pki::KeyPair& ca, std::string_view node_name,
                                        const std::vector<std::string>& server_names) {
  pki::LeafRequest request;
  request.subject.common_name = node_name;
  request.server = true;
  for (const std::string& name : server_names) {
    (IpAddress::parse(name) ? request.ip_addresses : request.dns_names).push_back(name);
  }
  return pki::issue(ca, request);
}

}  // namespace

Result<pki::KeyPair> key_pair(const FileSet& files, std::string_view name) {
  pki::KeyPair pair;
  pair.certificate_pem = VK8S_TRY(file(files, fmt::format("{}.crt", name)));
  pair.key_pem = VK8S_TRY(file(files, fmt::format("{}.key", name)));
  return pair;
}

Result<FileSet> create_cluster_pki(std::string_view cluster_name) {
  VK8S_TRY(check_name("cluster name", cluster_name));
  FileSet files;
  for (const auto& [name, common_name] :
       {std::pair("ca", "kubernetes-ca"), std::pair("etcd-ca", "etcd-ca"),
        std::pair("front-proxy-ca", "front-proxy-ca")}) {
    add(files, name,
        VK8S_TRY_CONTEXT(pki::create_ca(ca_subject(common_name, cluster_name)),
                         "cluster {}: create {}", cluster_name, name));
  }
  pki::SigningKey signing = VK8S_TRY_CONTEXT(
      pki::create_signing_key(), "cluster {}: create the service-account key", cluster_name);
  files["sa.key"] = std::move(signing.private_pem);
  files["sa.pub"] = std::move(signing.public_pem);
  return files;
}

Result<FileSet> create_agent_ca(std::string_view cluster_name) {
  VK8S_TRY(check_name("cluster name", cluster_name));
  FileSet files;
  add(files, "agent-ca",
      VK8S_TRY_CONTEXT(pki::create_ca(ca_subject("vk8s-agent-ca", cluster_name)),
                       "cluster {}: create agent-ca", cluster_name));
  files.merge(VK8S_TRY(renew_agent_client(files)));
  return files;
}

Result<FileSet> renew_agent_client(const FileSet& agent_ca) {
  const pki::KeyPair ca = VK8S_TRY(key_pair(agent_ca, "agent-ca"));
  FileSet files;
  add(files, "agent-client",
      VK8S_TRY_CONTEXT(pki::issue(ca, client_request(std::string(kAgentReader), {})),
                       "issue agent-client"));
  return files;
}

Result<FileSet> create_node_pki(const FileSet& cluster_pki, const FileSet& agent_ca,
                                std::string_view node_name,
                                const std::vector<std::string>& agent_server_names) {
  VK8S_TRY(check_name("node name", node_name));
  if (agent_server_names.empty()) {
    return fail(Errc::kInvalidArgument, "node {}: its status server needs at least one name",
                node_name);
  }
  const pki::KeyPair cluster = VK8S_TRY(key_pair(cluster_pki, "ca"));
  const pki::KeyPair agent = VK8S_TRY(key_pair(agent_ca, "agent-ca"));
  FileSet files;
  files["ca.crt"] = cluster.certificate_pem;
  files["agent-client-ca.crt"] = agent.certificate_pem;
  const auto issue_client = [&](std::string_view name, std::string user,
                                std::vector<std::string> groups) -> Status {
    add(files, name,
        VK8S_TRY_CONTEXT(pki::issue(cluster, client_request(std::move(user), std::move(groups))),
                         "node {}: issue {}", node_name, name));
    return {};
  };
  VK8S_TRY(issue_client("kubelet", fmt::format("system:node:{}", node_name), {"system:nodes"}));
  VK8S_TRY(issue_client("proxy", "system:kube-proxy", {}));
  VK8S_TRY(issue_client("agent-kube", fmt::format("vk8s:agent:{}", node_name), {"vk8s:agents"}));
  add(files, "agent",
      VK8S_TRY_CONTEXT(issue_agent_server(agent, node_name, agent_server_names),
                       "node {}: issue agent", node_name));
  return files;
}

Result<std::string> create_kubeconfig(const FileSet& cluster_pki,
                                      const KubeconfigRequest& request) {
  VK8S_TRY(check_quotable("cluster", request.cluster_name));
  VK8S_TRY(check_quotable("user", request.user));
  VK8S_TRY(check_quotable("server", request.server));
  if (!request.server.starts_with("https://")) {
    return fail(Errc::kInvalidArgument, "kubeconfig: server \"{}\" is not like https://host:6443",
                request.server);
  }
  const pki::KeyPair ca = VK8S_TRY(key_pair(cluster_pki, "ca"));
  const pki::KeyPair client =
      VK8S_TRY_CONTEXT(pki::issue(ca, client_request(request.user, request.groups)),
                       "kubeconfig of {}", request.user);
  return format_kubeconfig(request, ca.certificate_pem, client);
}

Result<pki::WallTime> first_renewal(const FileSet& files) {
  std::optional<pki::WallTime> first;
  for (const auto& [name, content] : files) {
    if (!name.ends_with(".crt")) {
      continue;
    }
    const auto info = VK8S_TRY_CONTEXT(pki::parse_certificate(content), "{}", name);
    if (!info.is_ca) {
      first = std::min(first.value_or(pki::WallTime::max()), pki::renewal_time(info));
    }
  }
  if (!first) {
    return fail(Errc::kNotFound, "there is no leaf certificate among the PKI files");
  }
  return *first;
}

}  // namespace vk8s::api
