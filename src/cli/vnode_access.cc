#include "cli/vnode_access.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace vk8s::cli {

Result<std::string> choose_node(const ClusterView& cluster, std::string_view wanted) {
  std::vector<std::string> names;
  for (const NodeView& node : cluster.nodes) {
    if (wanted.empty()
            ? node.role == "master"
            : node.name == wanted || node.name == fmt::format("{}-{}", cluster.name, wanted)) {
      return node.name;
    }
    names.push_back(node.name);
  }
  return fail(Errc::kNotFound, "--node \"{}\": cluster \"{}\" has the nodes {}",
              base::printable(wanted, 80), cluster.name, fmt::join(names, ", "));
}

std::string pod_of(std::string_view node) { return fmt::format("{}-0", node); }

Result<sys::ExitStatus> run_kubectl(Surroundings& surroundings, const ConnectionOptions& options,
                                    const std::string& namespace_name, KubectlCall call) {
  std::vector<std::string> argv = {"kubectl"};
  if (!options.kubeconfig.empty()) {
    argv.push_back("--kubeconfig=" + options.kubeconfig);
  }
  if (!options.context.empty()) {
    argv.push_back("--context=" + options.context);
  }
  argv.push_back("--namespace=" + namespace_name);
  argv.insert(argv.end(), call.arguments.begin(), call.arguments.end());
  auto exit = surroundings.run_program({.argv = std::move(argv),
                                        .environment = surroundings.variables,
                                        .on_line = std::move(call.on_line)});
  if (!exit && exit.error().code() == Errc::kNotFound) {
    return fail(Errc::kUnsupported, "{}: this needs kubectl, install it and put it in PATH",
                exit.error().message());
  }
  return exit;
}

}  // namespace vk8s::cli
