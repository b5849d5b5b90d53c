// vk8s-agent: PID 1 of a node.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "agent/agent.h"
#include "agent/signals.h"

int main(int argc, char** argv) {
  using namespace vk8s;

  CLI::App app{"Runs a Kubernetes node: as PID 1 of its container, from a mounted configuration."};
  agent::NodePaths paths;
  bool verbose = false;
  app.add_option("--config-dir", paths.config, "what the node is told (node.json and its PKI)")
      ->capture_default_str();
  app.add_option("--state-dir", paths.state, "the node's volume")->capture_default_str();
  app.add_flag("--verbose", verbose, "log debugging detail");
  CLI11_PARSE(app, argc, argv);

  const Log log = Log::to_stderr("agent", verbose ? base::LogLevel::kDebug : base::LogLevel::kInfo);
  EventLoop loop;
  std::unique_ptr<agent::Agent> node;
  auto signals = agent::SignalWatch::create(loop, {SIGTERM, SIGINT, SIGCHLD}, [&](int number) {
    if (number == SIGCHLD) {
      agent::reap_orphans([&](int pid) { return node && node->owns(pid); });
    } else if (node) {
      log.info("stopping", {{"signal", number}});
      node->stop([&] { loop.stop(); });
    } else {
      loop.stop();
    }
  });
  auto started = signals ? agent::Agent::start(loop, paths, log)
                         : tl::unexpected<Error>(std::move(signals).error());
  if (!started) {
    log.error("the node cannot start", {{"error", started.error().message()}});
    return 1;
  }
  node = std::move(*started);
  loop.run();
  return 0;
}
