#include "ipmanager/program.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace vk8s::ipmanager {
namespace {

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
  config.user_agent = kServiceName;
  return config;
}

Status serve(const ProgramOptions& options, const Log& log) {
  const UniqueFd signals = VK8S_TRY(open_signals());
  EventLoop loop;
  const kube::ClientConfig config = VK8S_TRY(client_config(options));
  const auto client = VK8S_TRY(kube::Client::create(loop, config, log.child("kube")));
  Service service(loop, *client, options.service, log);
  VK8S_TRY(service.start());
  const Registration on_signal = loop.watch(signals.get(), EventLoop::Interest::kReadable, [&] {
    signalfd_siginfo info;
    if (::read(signals.get(), &info, sizeof info) == sizeof info) {
      log.info("stopping", {{"signal", info.ssi_signo}});
      service.stop([&loop] { loop.stop(); });
    }
  });
  log.info("started", {{"port", service.port()}});
  loop.run();
  return {};
}

}  // namespace

int run(const ProgramOptions& options, const Log& log) {
  const Status status = serve(options, log);
  if (!status) {
    log.error("the ip-manager ends", {{"error", status.error().message()}});
  }
  return status ? 0 : 1;
}

}  // namespace vk8s::ipmanager
