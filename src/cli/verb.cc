#include "cli/verb.h"

namespace vk8s::cli {
namespace {

constexpr const char* kClusterHelp = "Name of the cluster";

}  // namespace

CLI::App* add_verb(CLI::App& root, const VerbText& text) {
  CLI::App* verb = root.add_subcommand(text.name, text.help);
  std::string footer;
  for (const std::string& example : text.examples) {
    footer += (footer.empty() ? "Examples:\n  " : "\n  ") + example;
  }
  verb->footer((footer.empty() ? "" : footer + "\n\n") + std::string(kExitCodeHelp));
  return verb;
}

void add_connection_options(CLI::App& verb, ConnectionOptions& options) {
  verb.add_option("--kubeconfig", options.kubeconfig,
                  "kubeconfig of the host cluster [$KUBECONFIG, else ~/.kube/config]");
  verb.add_option("--context", options.context, "Context of the kubeconfig [the current one]");
  verb.add_option("-n,--namespace", options.namespace_name, "Namespace [the context's]");
}

CLI::Option* add_cluster_argument(CLI::App& verb, std::string& name) {
  return verb.add_option("NAME", name, kClusterHelp)->required();
}

bool takes_cluster_name(const CLI::App& verb) {
  const CLI::Option* option = verb.get_option_no_throw("NAME");
  return option != nullptr && option->get_description() == kClusterHelp;
}

CLI::Option* add_timeout_option(CLI::App& verb, double& seconds, const std::string& help) {
  return verb.add_option("--timeout", seconds, help)
      ->capture_default_str()
      ->check(CLI::Range(0.001, 86400.0));
}

}  // namespace vk8s::cli
