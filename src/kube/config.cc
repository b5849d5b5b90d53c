#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "kube/client.h"
#include "kube/yaml.h"
#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::kube {
namespace {

constexpr std::string_view kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

// The entry called `name` of a kubeconfig list: its part under `field`.
Result<const Json*> named_entry(const Json& document, std::string_view list, std::string_view name,
                                std::string_view field) {
  const JsonArray* entries = base::get_array(document, list);
  if (entries != nullptr) {
    for (const Json& entry : *entries) {
      const Json* value = base::find(entry, field);
      if (base::get_string(entry, "name") == name && value != nullptr) {
        return value;
      }
    }
  }
  return fail(Errc::kInvalidArgument, "{} has no entry \"{}\"", list, base::printable(name, 128));
}

std::string text_at(const Json& value, std::string_view key) {
  return std::string(base::get_string(value, key).value_or(""));
}

// Where the files lie that a kubeconfig names.
struct Files {
  bool may_be_read = true;
  std::string folder = {};  // "" = as they are named
};

Result<std::string> resolve_path(const Files& files, std::string_view key,
                                 const std::string& path) {
  if (!files.may_be_read) {
    return fail(Errc::kInvalidArgument,
                "{} names a file, which is not opened: such a kubeconfig must hold certificates "
                "and tokens itself",
                key);
  }
  return path.starts_with('/') || files.folder.empty() ? path : files.folder + "/" + path;
}

// `<key>-data` in base64, else the file named by `key`, else "".
Result<std::string> data_or_file(const Json& value, const std::string& key, const Files& files) {
  if (const std::string data = text_at(value, key + "-data"); !data.empty()) {
    return VK8S_TRY_CONTEXT(pki::base64_decode(data), "{}-data", key);
  }
  const std::string path = text_at(value, key);
  if (path.empty()) {
    return std::string();
  }
  const std::string file = VK8S_TRY(resolve_path(files, key, path));
  return VK8S_TRY_CONTEXT(sys::read_file(file, 1U << 20U), "{}", key);
}

Status add_cluster(const Json& cluster, const Files& files, ClientConfig& config) {
  config.server = text_at(cluster, "server");
  config.tls_server_name = text_at(cluster, "tls-server-name");
  if (!config.server.starts_with("https://")) {
    return fail(Errc::kInvalidArgument, "server \"{}\" must begin with https://",
                base::printable(config.server, 256));
  }
  if (!std::all_of(config.server.begin(), config.server.end(),
                   [](char c) { return c > ' ' && c <= '~'; })) {
    return fail(Errc::kInvalidArgument,
                "server \"{}\" has a character that a URL cannot have: write it in ASCII",
                base::printable(config.server, 256));
  }
  if (base::get_bool(cluster, "insecure-skip-tls-verify").value_or(false)) {
    return fail(Errc::kUnsupported,
                "insecure-skip-tls-verify is refused: give certificate-authority-data instead");
  }
  if (!text_at(cluster, "proxy-url").empty()) {
    return fail(Errc::kUnsupported, "proxy-url is not supported");
  }
  config.ca_pem = VK8S_TRY(data_or_file(cluster, "certificate-authority", files));
  if (config.ca_pem.empty()) {
    return fail(Errc::kInvalidArgument, "certificate-authority or -data is missing");
  }
  return {};
}

Status add_user(const Json& user, const Files& files, ClientConfig& config) {
  for (const char* key : {"exec", "auth-provider", "username", "as"}) {
    if (base::find(user, key) != nullptr) {
      return fail(Errc::kUnsupported, "{} is not supported: use a client certificate or a token",
                  key);
    }
  }
  config.client_certificate_pem = VK8S_TRY(data_or_file(user, "client-certificate", files));
  config.client_key_pem = VK8S_TRY(data_or_file(user, "client-key", files));
  if (config.client_certificate_pem.empty() != config.client_key_pem.empty()) {
    return fail(Errc::kInvalidArgument, "client-certificate and client-key go together");
  }
  config.token = text_at(user, "token");
  if (const std::string path = text_at(user, "tokenFile"); !path.empty()) {
    config.token_file = VK8S_TRY(resolve_path(files, "tokenFile", path));
  }
  return {};
}

Result<ClientConfig> parse_kubeconfig(std::string_view yaml, std::string_view wanted,
                                      const Files& files) {
  const Json document = VK8S_TRY_CONTEXT(
      parse_yaml(yaml, {.max_bytes = 1U << 20U, .max_values = 20'000}), "kubeconfig");
  std::string name(wanted);
  if (name.empty()) {
    name = text_at(document, "current-context");
  }
  if (name.empty()) {
    return fail(Errc::kInvalidArgument, "kubeconfig: current-context is not set");
  }
  const Json* context =
      VK8S_TRY_CONTEXT(named_entry(document, "contexts", name, "context"), "kubeconfig");
  const std::string cluster_name = text_at(*context, "cluster");
  const std::string user_name = text_at(*context, "user");
  const Json* cluster =
      VK8S_TRY_CONTEXT(named_entry(document, "clusters", cluster_name, "cluster"), "kubeconfig");
  const Json* user =
      VK8S_TRY_CONTEXT(named_entry(document, "users", user_name, "user"), "kubeconfig");
  ClientConfig config;
  VK8S_TRY_CONTEXT(add_cluster(*cluster, files, config), "kubeconfig: cluster \"{}\"",
                   base::printable(cluster_name, 128));
  VK8S_TRY_CONTEXT(add_user(*user, files, config), "kubeconfig: user \"{}\"",
                   base::printable(user_name, 128));
  return config;
}

}  // namespace

Result<ClientConfig> ClientConfig::from_kubeconfig(std::string_view yaml,
                                                   std::string_view context) {
  return parse_kubeconfig(yaml, context, {});
}

Result<ClientConfig> ClientConfig::from_foreign_kubeconfig(std::string_view yaml) {
  return parse_kubeconfig(yaml, "", {.may_be_read = false});
}

Result<ClientConfig> ClientConfig::from_kubeconfig_file(const std::string& path) {
  const std::string yaml = VK8S_TRY_CONTEXT(sys::read_file(path, 1U << 20U), "read kubeconfig");
  const std::size_t slash = path.rfind('/');
  const Files files{.folder = slash == std::string::npos ? "." : path.substr(0, slash)};
  return VK8S_TRY_CONTEXT(parse_kubeconfig(yaml, "", files), "{}", path);
}

Result<ClientConfig> ClientConfig::in_cluster() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return fail(Errc::kNotFound,
                "not in a cluster: KUBERNETES_SERVICE_HOST and _PORT are not set; give a "
                "kubeconfig");
  }
  const std::string_view name(host);
  const bool is_ipv6 = name.find(':') != std::string_view::npos;
  ClientConfig config;
  config.server = is_ipv6 ? fmt::format("https://[{}]:{}", name, port)
                          : fmt::format("https://{}:{}", name, port);
  config.token_file = fmt::format("{}/token", kServiceAccountFolder);
  config.ca_pem =
      VK8S_TRY_CONTEXT(sys::read_file(fmt::format("{}/ca.crt", kServiceAccountFolder), 1U << 20U),
                       "read the ServiceAccount's CA");
  VK8S_TRY_CONTEXT(sys::read_file(config.token_file, 1U << 20U), "read the ServiceAccount's token");
  return config;
}

}  // namespace vk8s::kube
