#include "kube/testing/api_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>

#include "kube/testing/loop_thread.h"

namespace vk8s::kube::testing {
namespace {

constexpr auto kReadyDeadline = std::chrono::seconds(60);

std::string program(const char* variable, const std::string& name) {
  const char* folder = std::getenv(variable);
  return folder == nullptr ? "" : std::string(folder) + "/" + name;
}

std::string kube_apiserver() { return program("VK8S_UPSTREAM_KUBERNETES", "kube-apiserver"); }
std::string etcd() { return program("VK8S_UPSTREAM_ETCD", "etcd"); }

Result<int> free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!socket || ::bind(socket.get(), generic, size) != 0 ||
      ::getsockname(socket.get(), generic, &size) != 0) {
    return fail_errno(errno, "find a free port on loopback");
  }
  return ntohs(address.sin_port);
}

Result<sys::ChildProcess> spawn(std::vector<std::string> argv, const std::string& log) {
  const UniqueFd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!output) {
    return fail_errno(errno, "open {}", log);
  }
  return sys::ChildProcess::spawn({.argv = std::move(argv),
                                   .environment = {},
                                   .working_directory = "/",
                                   .stdout_fd = output.get(),
                                   .stderr_fd = output.get(),
                                   .die_with_parent = true});
}

}  // namespace

std::optional<std::string> ApiServer::missing_prerequisite() {
  for (const char* variable : {"VK8S_UPSTREAM_KUBERNETES", "VK8S_UPSTREAM_ETCD"}) {
    if (std::getenv(variable) == nullptr) {
      return fmt::format("{} is not set: it names the folder of the upstream program", variable);
    }
  }
  for (const std::string& path : {kube_apiserver(), etcd()}) {
    if (!sys::exists(path)) {
      return fmt::format("{} does not exist", path);
    }
  }
  return std::nullopt;
}

ApiServer::ApiServer(sys::TempDir folder, Options options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(Options options) {
  auto folder = VK8S_TRY(sys::TempDir::create("vk8s-api-server"));
  std::unique_ptr<ApiServer> server(new ApiServer(std::move(folder), std::move(options)));
  VK8S_TRY_CONTEXT(server->create_files(), "files of the API server");
  VK8S_TRY_CONTEXT(server->start_etcd(), "start etcd");
  VK8S_TRY(server->start_api_server());
  return server;
}

Status ApiServer::create_files() {
  etcd_port_ = VK8S_TRY(free_port());
  etcd_peer_port_ = VK8S_TRY(free_port());
  api_port_ = VK8S_TRY(free_port());
  ca_ = VK8S_TRY(pki::create_ca({.common_name = "kubernetes", .organizations = {}}));
  const auto server =
      VK8S_TRY(pki::issue(ca_, {.subject = {.common_name = "kube-apiserver", .organizations = {}},
                                .dns_names = {"kubernetes", "kubernetes.default.svc", "localhost"},
                                .ip_addresses = {"127.0.0.1"},
                                .server = true}));
  const auto signing = VK8S_TRY(pki::create_signing_key());
  VK8S_TRY(sys::write_file(path("ca.crt"), ca_.certificate_pem));
  VK8S_TRY(sys::write_file(path("server.crt"), server.certificate_pem));
  VK8S_TRY(sys::write_file(path("server.key"), server.key_pem, {.mode = 0600}));
  VK8S_TRY(sys::write_file(path("sa.pub"), signing.public_pem));
  VK8S_TRY(sys::write_file(path("sa.key"), signing.private_pem, {.mode = 0600}));
  admin_ = VK8S_TRY(user("admin", {"system:masters"}));
  return {};
}

Result<ClientConfig> ApiServer::user(const std::string& name,
                                     const std::vector<std::string>& groups) const {
  const auto leaf =
      VK8S_TRY(pki::issue(ca_, {.subject = {.common_name = name, .organizations = groups},
                                .dns_names = {},
                                .ip_addresses = {},
                                .client = true}));
  ClientConfig config;
  config.server = fmt::format("https://127.0.0.1:{}", api_port_);
  config.ca_pem = ca_.certificate_pem;
  config.client_certificate_pem = leaf.certificate_pem;
  config.client_key_pem = leaf.key_pem;
  return config;
}

std::string ApiServer::kubeconfig() const {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: test
contexts:
- {{name: test, context: {{cluster: test, user: admin}}}}
clusters:
- name: test
  cluster:
    server: {}
    certificate-authority-data: {}
users:
- name: admin
  user:
    client-certificate-data: {}
    client-key-data: {}
)",
                     admin_.server, pki::base64_encode(admin_.ca_pem),
                     pki::base64_encode(admin_.client_certificate_pem),
                     pki::base64_encode(admin_.client_key_pem));
}

Status ApiServer::start_etcd() {
  const std::string client = fmt::format("http://127.0.0.1:{}", etcd_port_);
  const std::string peer = fmt::format("http://127.0.0.1:{}", etcd_peer_port_);
  etcd_ =
      VK8S_TRY(spawn({etcd(), "--data-dir=" + path("etcd"), "--listen-client-urls=" + client,
                      "--advertise-client-urls=" + client, "--listen-peer-urls=" + peer,
                      "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
                      "--unsafe-no-fsync", "--log-level=warn"},
                     path("etcd.log")));
  return {};
}

Status ApiServer::start_api_server() {
  std::vector<std::string> argv = {
      kube_apiserver(),
      fmt::format("--etcd-servers=http://127.0.0.1:{}", etcd_port_),
      "--bind-address=127.0.0.1",
      "--advertise-address=198.18.255.254",
      "--endpoint-reconciler-type=none",
      fmt::format("--secure-port={}", api_port_),
      "--client-ca-file=" + path("ca.crt"),
      "--tls-cert-file=" + path("server.crt"),
      "--tls-private-key-file=" + path("server.key"),
      "--service-account-key-file=" + path("sa.pub"),
      "--service-account-signing-key-file=" + path("sa.key"),
      "--service-account-issuer=https://kubernetes.default.svc",
      "--service-cluster-ip-range=10.96.0.0/16",
      "--authorization-mode=RBAC",
      // No controller manager makes ServiceAccounts here.
      "--disable-admission-plugins=ServiceAccount",
  };
  argv.insert(argv.end(), options_.api_server_flags.begin(), options_.api_server_flags.end());
  api_server_ =
      VK8S_TRY_CONTEXT(spawn(std::move(argv), path("kube-apiserver.log")), "start kube-apiserver");
  return wait_until_ready();
}

Status ApiServer::wait_until_ready() {
  LoopThread thread;
  auto created = Client::create(thread.loop(), admin_, Log::silent());
  if (!created) {
    return tl::unexpected<Error>(std::move(created).error());
  }
  std::unique_ptr<Client> client = std::move(*created);
  BlockingClient blocking(thread.loop(), *client, std::chrono::seconds(2));
  const auto deadline = std::chrono::steady_clock::now() + kReadyDeadline;
  bool ready = false;
  while (!ready && std::chrono::steady_clock::now() < deadline && api_server_->is_running() &&
         !api_server_->try_wait()) {
    const auto answer = blocking.raw({.method = "GET", .path = "/readyz"});
    ready = answer && answer->status == 200;
    if (!ready) {
      thread.tick(std::chrono::milliseconds(50));
    }
  }
  thread.run([&client] { client.reset(); });
  if (!ready) {
    return fail(Errc::kTimeout, "kube-apiserver is not ready; its last words: {}; etcd's: {}",
                last_lines("kube-apiserver.log"), last_lines("etcd.log"));
  }
  return {};
}

std::string ApiServer::last_lines(const std::string& file) const {
  const auto text = sys::read_file(path(file), 64U << 20U);
  if (!text) {
    return text.error().message();
  }
  return text->size() > 1500 ? text->substr(text->size() - 1500) : *text;
}

void ApiServer::kill_api_server() { api_server_.reset(); }

Status ApiServer::freeze_api_server() { return api_server_->signal(SIGSTOP); }

Status ApiServer::thaw_api_server() { return api_server_->signal(SIGCONT); }

}  // namespace vk8s::kube::testing
