#include "cli/commands.h"
#include "cli/document_writer.h"
#include "cli/issued_kubeconfig.h"
#include "cli/verb.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

struct KubeconfigFlags {
  ConnectionOptions connection;
  std::string name;
  std::string file;
  bool merge = false;
  bool internal = false;
};

Status run_kubeconfig(Session& session, const KubeconfigFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const Json kubeconfig = VK8S_TRY(read_issued_kubeconfig(
      api, flags.name, flags.internal ? Endpoint::kInternal : Endpoint::kExternal));
  if (flags.merge) {
    const std::string path =
        VK8S_TRY(merge_target(session.surroundings(), flags.connection, flags.file));
    VK8S_TRY(merge_into_file(path, kubeconfig));
    session.note(fmt::format("{} has context {}; use it with\n  kubectl --context {} get nodes",
                             path, context_name(api.namespace_name(), flags.name),
                             context_name(api.namespace_name(), flags.name)));
    return {};
  }
  if (!flags.file.empty()) {
    return sys::write_file(flags.file, to_yaml(kubeconfig), {.mode = 0600});
  }
  session.print(to_yaml(kubeconfig));
  return {};
}

}  // namespace

void add_kubeconfig_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<KubeconfigFlags>();
  CLI::App* verb = add_verb(
      root, {"kubeconfig",
             "Print a cluster's kubeconfig, or merge it into yours",
             {"kubectl vk8s kubeconfig team-a > team-a.yaml",
              "kubectl vk8s kubeconfig team-a --file team-a.yaml",
              "kubectl vk8s kubeconfig team-a --merge && kubectl --context vk8s-default-team-a "
              "get nodes"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_flag("--merge", flags->merge,
                 "Add cluster, user and context vk8s-<namespace>-<name> to your kubeconfig; the "
                 "rest of it stays, but for comments");
  verb->add_option("--file", flags->file,
                   "Write to this file (mode 0600); with --merge, merge into it");
  verb->add_flag("--internal", flags->internal, "For use in pods of the host cluster");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_kubeconfig);
}

}  // namespace vk8s::cli
