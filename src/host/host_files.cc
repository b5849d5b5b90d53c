#include "host/host_files.h"

#include <cerrno>
#include <chrono>
#include <cstdio>

#include "kube/client.h"
#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

Status write_private(const std::string& path, std::string_view content) {
  return sys::write_file(path, content, {.mode = 0600, .durable = true});
}

Result<api::FileSet> ensure_files(const std::string& folder,
                                  Result<api::FileSet> (*create)(std::string_view cluster_name),
                                  const std::string& cluster_name) {
  auto present = read_files(folder);
  if (present || present.error().code() != Errc::kNotFound) {
    return present;
  }
  api::FileSet files = VK8S_TRY(create(cluster_name));
  VK8S_TRY(create_files(folder, files));
  return files;
}

bool is_due(const Result<pki::WallTime>& renewal) {
  return !renewal || *renewal <= std::chrono::system_clock::now();
}

// Certificates of a node are kept until due: a new key at each `up` would restart it.
Result<api::FileSet> node_certificates(const NodePlan& node, const HostPki& pki,
                                       const std::string& folder) {
  auto present = read_files(folder);
  if (present && present->contains("agent.crt") && !is_due(api::first_renewal(*present))) {
    return present;
  }
  return api::create_node_pki(pki.cluster, pki.agent, node.container.name,
                              {node.container.address, node.container.name});
}

}  // namespace

// Source: FNV-1a, 64 bits.
std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

Result<api::FileSet> read_files(const std::string& folder) {
  api::FileSet files;
  for (const std::string& name : VK8S_TRY(sys::list_directory(folder))) {
    std::string content = VK8S_TRY(sys::read_file(fmt::format("{}/{}", folder, name)));
    files.emplace(name, std::move(content));
  }
  return files;
}

Status create_files(const std::string& folder, const api::FileSet& files) {
  const std::string partial = folder + ".new";
  VK8S_TRY(sys::remove_tree(partial));
  VK8S_TRY(sys::ensure_directory(partial, 0700));
  for (const auto& [name, content] : files) {
    VK8S_TRY(write_private(fmt::format("{}/{}", partial, name), content));
  }
  if (std::rename(partial.c_str(), folder.c_str()) != 0) {
    return fail_errno(errno, "rename {} to {}", partial, folder);
  }
  return {};
}

Result<HostPki> ensure_host_pki(const HostSettings& settings, const std::string& state_folder) {
  HostPki pki;
  pki.cluster = VK8S_TRY_CONTEXT(
      ensure_files(state_folder + "/pki", &api::create_cluster_pki, settings.name), "cluster PKI");
  pki.agent = VK8S_TRY_CONTEXT(
      ensure_files(state_folder + "/agent-ca", &api::create_agent_ca, settings.name), "agent CA");
  if (is_due(api::first_renewal(pki.agent))) {
    for (auto& [name, content] : VK8S_TRY(api::renew_agent_client(pki.agent))) {
      VK8S_TRY(write_private(fmt::format("{}/agent-ca/{}", state_folder, name), content));
      pki.agent[name] = content;
    }
  }
  return pki;
}

Result<std::string> ensure_node_files(const HostSettings& settings, const HostPlan& plan,
                                      const NodePlan& node, const HostPki& pki,
                                      const std::string& folder) {
  const api::NodeConfig config = make_node_config(settings, plan, node);
  VK8S_TRY_CONTEXT(api::validate(config), "node.json of {}", node.container.name);
  api::FileSet files = VK8S_TRY(node_certificates(node, pki, folder));
  if (node.role == api::NodeRole::kMaster) {
    for (const auto& [name, content] : pki.cluster) {
      files[name] = content;
    }
  }
  files[std::string(api::kNodeConfigFile)] = base::to_string(api::to_json(config)) + "\n";
  VK8S_TRY(sys::ensure_directory(folder, 0700));
  std::string all;
  for (const auto& [name, content] : files) {
    const std::string path = fmt::format("{}/{}", folder, name);
    const auto present = sys::read_file(path);
    if (!present || *present != content) {
      VK8S_TRY(write_private(path, content));
    }
    all += name + content;
  }
  return fingerprint(all);
}

std::string kubeconfig_path(const std::string& state_folder) {
  return state_folder + "/kubeconfig";
}

Status ensure_kubeconfig(const HostSettings& settings, const HostPlan& plan, const HostPki& pki) {
  const std::string path = kubeconfig_path(plan.state_folder);
  const auto present = kube::ClientConfig::from_kubeconfig_file(path);
  if (present && present->server == plan.api_server) {
    const auto certificate = pki::parse_certificate(present->client_certificate_pem);
    if (certificate && pki::renewal_time(*certificate) > std::chrono::system_clock::now()) {
      return {};
    }
  }
  const std::string kubeconfig = VK8S_TRY(api::create_kubeconfig(
      pki.cluster, {.cluster_name = settings.name, .server = plan.api_server}));
  return write_private(path, kubeconfig);
}

}  // namespace vk8s::host
