// vk8s-controller: the operator of virtual Kubernetes clusters.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "controller/generate_command.h"
#include "controller/program.h"

namespace {

int generate(const std::string& what) {
  const auto text = vk8s::controller::generate(what);
  if (!text) {
    std::fprintf(stderr, "%s\n", text.error().message().c_str());
    return 2;
  }
  return std::fwrite(text->data(), 1, text->size(), stdout) == text->size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using vk8s::base::LogLevel;
  vk8s::controller::ProgramOptions options;
  LogLevel level = LogLevel::kInfo;
  std::string what;

  CLI::App app{"Makes of each Vk8s resource a virtual Kubernetes cluster.", "vk8s-controller"};
  app.add_option("--kubeconfig", options.kubeconfig,
                 "the host cluster; without it: the one this runs in");
  app.add_flag("--leader-elect", options.leader_elect, "let one of several replicas act");
  app.add_option("--metrics-address", options.metrics_address, "of /metrics, /healthz, /readyz")
      ->capture_default_str();
  app.add_option("--image-registry", options.settings.image_registry,
                 "registry of the catalogue's node images");
  app.add_option("--vnode-image-prefix", options.settings.vnode_image_prefixes,
                 "allow other node images that begin so (repeatable)");
  app.add_flag("--tolerate-control-plane", options.settings.tolerate_control_plane,
               "let nodes tolerate the taints of the host's control plane");
  app.add_option("--log-level", level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogLevel>{{"debug", LogLevel::kDebug},
                                          {"info", LogLevel::kInfo},
                                          {"warning", LogLevel::kWarning},
                                          {"error", LogLevel::kError}}));
  CLI::App* print = app.add_subcommand("generate", "print a manifest: crd, rbac or manager");
  print->add_option("what", what, "crd, rbac or manager")->required();
  CLI11_PARSE(app, argc, argv);

  return print->parsed() ? generate(what)
                         : run(options, vk8s::Log::to_stderr("controller", level));
}
