#include <algorithm>
#include <csignal>

#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/verb.h"
#include "cli/vnode_access.h"

namespace vk8s::cli {
namespace {

// Where an agent keeps what its components say (agent/node_paths.h).
constexpr std::string_view kLogFolder = "/var/lib/vk8s/log/vk8s";
constexpr std::size_t kMaxComponentBytes = 64;

struct LogFlags {
  ConnectionOptions connection;
  std::string name;
  std::string node;
  std::string component;
  int tail = 500;
  bool follow = false;
};

// It becomes part of a path: nothing but the names of components passes.
Status check_component(std::string_view component) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (component.empty() || component.front() == '-' || component.size() > kMaxComponentBytes ||
      !std::all_of(component.begin(), component.end(), is_allowed)) {
    return fail(Errc::kInvalidArgument,
                "--component \"{}\": give etcd, kube-apiserver, kube-controller-manager, "
                "kube-scheduler, coredns, containerd, kubelet or kube-proxy",
                base::printable(component, 80));
  }
  return {};
}

Status follow_with_kubectl(Session& session, const LogFlags& flags,
                           const std::string& namespace_name, std::vector<std::string> arguments,
                           const std::string& what) {
  const auto exit = VK8S_TRY(
      run_kubectl(session.surroundings(), flags.connection, namespace_name,
                  {.arguments = std::move(arguments),
                   .on_line = [&session](std::string_view line) { session.print(line); }}));
  const bool interrupted = flags.follow && (exit.signal == SIGINT || exit.code == 130);
  if (!exit.success() && !interrupted) {
    return fail(Errc::kUnavailable, "{}: kubectl ended with {}", what, exit.to_string());
  }
  return {};
}

Status print_component(Session& session, const LogFlags& flags, const std::string& namespace_name,
                       const std::string& node) {
  std::vector<std::string> arguments = {"exec", pod_of(node), "-c", std::string(kVnodeContainer),
                                        "--",   "tail",       "-n", std::to_string(flags.tail)};
  if (flags.follow) {
    arguments.push_back("-F");
  }
  arguments.push_back(fmt::format("{}/{}.log", kLogFolder, flags.component));
  return follow_with_kubectl(session, flags, namespace_name, std::move(arguments),
                             fmt::format("log of {} on node {}", flags.component, node));
}

Status print_pod_log(Session& session, HostApi& api, const LogFlags& flags,
                     const std::string& node) {
  if (flags.follow) {
    return follow_with_kubectl(session, flags, api.namespace_name(),
                               {"logs", pod_of(node), "-c", std::string(kVnodeContainer),
                                fmt::format("--tail={}", flags.tail), "-f"},
                               "log of node " + node);
  }
  const std::string path =
      fmt::format("/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}",
                  api.namespace_name(), pod_of(node), kVnodeContainer, flags.tail);
  const Result<std::string> text = api.read(path);
  if (!text && text.error().code() == Errc::kNotFound) {
    return fail(Errc::kNotFound,
                "node \"{}\" has no pod now: see 'kubectl vk8s get {} -n {}' for the reason", node,
                flags.name, api.namespace_name());
  }
  if (!text) {
    return tl::unexpected<Error>(Error(text.error()).context("log of node {}", node));
  }
  std::string cleaned;
  for (const std::string_view line : base::split(*text, '\n')) {
    cleaned += clean_line(line) + '\n';
  }
  // What ends with a line's end has an empty part after it.
  if (text->ends_with('\n')) {
    cleaned.pop_back();
  }
  session.write(cleaned);
  return {};
}

Status run_logs(Session& session, const LogFlags& flags) {
  if (!flags.component.empty()) {
    VK8S_TRY(check_component(flags.component));
  }
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const ClusterView cluster = view_of(VK8S_TRY(api.get_cluster(flags.name)));
  const std::string node = VK8S_TRY(choose_node(cluster, flags.node));
  return flags.component.empty() ? print_pod_log(session, api, flags, node)
                                 : print_component(session, flags, api.namespace_name(), node);
}

}  // namespace

void add_logs_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<LogFlags>();
  CLI::App* verb = add_verb(
      root, {"logs",
             "Print the log of a node, or of one program on it",
             {"kubectl vk8s logs team-a", "kubectl vk8s logs team-a --node worker-1 --tail 50",
              "kubectl vk8s logs team-a --component kube-apiserver -f"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_option("--node", flags->node, "Node, as team-a-worker-1 or worker-1 [the master]");
  verb->add_option("--component", flags->component,
                   "etcd, kube-apiserver, kube-controller-manager, kube-scheduler, coredns, "
                   "containerd, kubelet, kube-proxy; needs kubectl [the node's agent]");
  verb->add_option("--tail", flags->tail, "Lines from the end")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  verb->add_flag("-f,--follow", flags->follow, "Go on with what comes; needs kubectl");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_logs);
}

}  // namespace vk8s::cli
