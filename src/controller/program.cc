#include "controller/program.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <random>
#include <utility>

#include "base/unique_fd.h"
#include "controller/controller_manager.h"
#include "controller/health_server.h"
#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

// Unique at each start: a replica that comes back must not take its old lease for
// its own.
std::string new_identity() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::random_device random;
  return fmt::format("{}_{:08x}{:08x}", host.data(), random(), random());
}

// "10.96.0.1" of "https://10.96.0.1:443".
std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  url.remove_prefix(scheme == std::string_view::npos ? 0 : scheme + 3);
  if (url.starts_with('[')) {
    return std::string(url.substr(1, url.find(']') - 1));
  }
  return std::string(url.substr(0, url.find_first_of(":/")));
}

// SIGTERM and SIGINT as a readable descriptor; blocked for all threads to come.
Result<UniqueFd> open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return fail_errno(error, "block signals");
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    return fail_errno(errno, "signalfd");
  }
  return fd;
}

Result<kube::ClientConfig> client_config(const ProgramOptions& options) {
  auto config = VK8S_TRY(options.kubeconfig.empty()
                             ? kube::ClientConfig::in_cluster()
                             : kube::ClientConfig::from_kubeconfig_file(options.kubeconfig));
  config.user_agent = kFieldManager;
  return config;
}

Status serve(const ProgramOptions& options, const Log& log) {
  const UniqueFd signals = VK8S_TRY(open_signals());
  EventLoop loop;
  const kube::ClientConfig config = VK8S_TRY(client_config(options));
  const auto client = VK8S_TRY(kube::Client::create(loop, config, log.child("kube")));
  const auto agents = VK8S_TRY(http::Client::create(loop, {}, log.child("agents")));

  ManagerOptions manager_options;
  manager_options.settings = options.settings;
  manager_options.settings.host_api_address = host_of(config.server);
  manager_options.leader_elect = options.leader_elect;
  manager_options.lease_namespace = kSystemNamespace;
  manager_options.identity = new_identity();
  ControllerManager manager(loop, *client, *agents, std::move(manager_options), log);
  const auto health = VK8S_TRY(start_health_server(
      loop, options.metrics_address,
      {[&manager] { return manager.is_ready(); }, [&manager] { return manager.metrics().text(); }},
      log.child("http")));

  bool lost = false;
  const auto stop = [&] { manager.stop([&loop] { loop.stop(); }); };
  const Registration on_signal = loop.watch(signals.get(), EventLoop::Interest::kReadable, [&] {
    signalfd_siginfo info;
    if (::read(signals.get(), &info, sizeof info) == sizeof info) {
      log.info("stopping", {{"signal", info.ssi_signo}});
      stop();
    }
  });
  manager.start([&] {
    lost = true;
    stop();
  });
  log.info("started", {{"metrics", options.metrics_address}});
  loop.run();
  return lost ? fail(Errc::kUnavailable, "another replica leads") : Status();
}

}  // namespace

int run(const ProgramOptions& options, const Log& log) {
  const Status status = serve(options, log);
  if (!status) {
    log.error("the controller ends", {{"error", status.error().message()}});
  }
  return status ? 0 : 1;
}

}  // namespace vk8s::controller
