#include "cli/commands.h"
#include "cli/document_writer.h"
#include "cli/issued_kubeconfig.h"
#include "cli/verb.h"
#include "cli/vnode_access.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

constexpr int kSignalExitBase = 128;

struct ShellFlags {
  ConnectionOptions connection;
  std::string name;
  std::string node;
};

int exit_code(const sys::ExitStatus& exit) {
  return exit.signal != 0 ? kSignalExitBase + exit.signal : exit.code;
}

Status open_on_node(Session& session, HostApi& api, const ShellFlags& flags) {
  const ClusterView cluster = view_of(VK8S_TRY(api.get_cluster(flags.name)));
  const std::string node = VK8S_TRY(choose_node(cluster, flags.node));
  const char* input = session.surroundings().input_is_terminal ? "-it" : "-i";
  const auto exit =
      VK8S_TRY(run_kubectl(session.surroundings(), flags.connection, api.namespace_name(),
                           {.arguments = {"exec", input, pod_of(node), "-c",
                                          std::string(kVnodeContainer), "--", "/bin/sh"},
                            .on_line = {}}));
  session.exit_code = exit_code(exit);
  return {};
}

Status open_here(Session& session, HostApi& api, const ShellFlags& flags) {
  const Json kubeconfig = VK8S_TRY(read_issued_kubeconfig(api, flags.name));
  const sys::TempDir folder = VK8S_TRY(sys::TempDir::create("vk8s-shell"));
  const std::string path = folder.path() + "/kubeconfig";
  VK8S_TRY(sys::write_file(path, to_yaml(kubeconfig), {.mode = 0600}));
  ForegroundCommand command{.environment = session.surroundings().variables};
  command.environment["KUBECONFIG"] = path;
  const std::string shell = session.surroundings().variable("SHELL");
  command.argv = {shell.empty() ? "/bin/sh" : shell};
  session.note(
      fmt::format("KUBECONFIG is that of cluster {} until you leave this shell.", flags.name));
  const auto exit =
      VK8S_TRY_CONTEXT(session.surroundings().run_program(command), "start the shell (SHELL)");
  session.exit_code = exit_code(exit);
  return {};
}

Status run_shell(Session& session, const ShellFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  return flags.node.empty() ? open_here(session, api, flags) : open_on_node(session, api, flags);
}

}  // namespace

void add_shell_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<ShellFlags>();
  CLI::App* verb =
      add_verb(root, {"shell",
                      "Open a shell whose kubectl speaks to the cluster; it ends as the shell does",
                      {"kubectl vk8s shell team-a", "kubectl vk8s shell team-a --node worker-1"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_option("--node", flags->node,
                   "Open it inside this node instead, as with kubectl exec; needs kubectl");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_shell);
}

}  // namespace vk8s::cli
