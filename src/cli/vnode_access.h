// The pods behind a cluster's nodes, and kubectl as a way into them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/cluster_view.h"
#include "cli/surroundings.h"
#include "cli/user_kubeconfig.h"

namespace vk8s::cli {

// The container of a node's pod that is the node.
inline constexpr std::string_view kVnodeContainer = "vnode";

// The node asked for: by its name, or without the cluster's name before it
// ("worker-1"); "" = the master. kNotFound names those there are.
Result<std::string> choose_node(const ClusterView& cluster, std::string_view wanted);

std::string pod_of(std::string_view node);

// kubectl with the host's connection and the arguments; runs in the foreground.
// kUnsupported where there is no kubectl.
struct KubectlCall {
  std::vector<std::string> arguments;
  std::function<void(std::string_view)> on_line;  // empty: output is the terminal's
};
Result<sys::ExitStatus> run_kubectl(Surroundings& surroundings, const ConnectionOptions& options,
                                    const std::string& namespace_name, KubectlCall call);

}  // namespace vk8s::cli
