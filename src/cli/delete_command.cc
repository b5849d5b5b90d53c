#include "cli/cluster_follower.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct DeleteFlags {
  ConnectionOptions connection;
  std::string name;
  double timeout_seconds = 300;
  bool wait = false;
  bool yes = false;
};

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

// What goes with the cluster, by each node's storage (defaults as api::parse_vk8s has them).
std::string describe_loss(const Json& object) {
  const auto parsed = api::parse_vk8s(object);
  if (!parsed) {
    return "its nodes and what runs on them";
  }
  std::vector<std::string> lost;
  std::vector<std::string> kept;
  for (const api::NodeSpec& node : parsed->spec.nodes) {
    if (!node.storage.ephemeral && !node.storage.size.empty()) {
      (node.storage.retain ? kept : lost).push_back(fmt::format("data-{}-0", node.name));
    }
  }
  std::string out = fmt::format("its {} nodes and what runs on them", parsed->spec.nodes.size());
  if (!lost.empty()) {
    out += fmt::format("\n  volumes lost: {}", join(lost));
  }
  if (!kept.empty()) {
    out += fmt::format("\n  volumes kept (reclaim: Retain): {}", join(kept));
  }
  return out;
}

Status make_sure(Session& session, const DeleteFlags& flags, const std::string& loss) {
  if (flags.yes) {
    return {};
  }
  if (!session.surroundings().input_is_terminal) {
    return fail(Errc::kInvalidArgument,
                "cluster \"{}\" is not deleted: there is no terminal to ask on, so say --yes",
                flags.name);
  }
  session.note(fmt::format("Deleting cluster {} removes {}", flags.name, loss));
  if (!session.confirm("Delete it?")) {
    return fail(Errc::kCancelled, "cluster \"{}\" is not deleted", flags.name);
  }
  return {};
}

Status wait_until_gone(HostApi& api, const DeleteFlags& flags) {
  Status done = follow_cluster(
      api, flags.name,
      {.timeout = std::chrono::duration<double>(flags.timeout_seconds), .on_tick = {}},
      [&](const ClusterView* cluster) -> std::optional<Status> {
        return cluster == nullptr ? std::optional<Status>(Status()) : std::nullopt;
      });
  if (!done && done.error().code() == Errc::kNotFound) {
    return {};
  }
  if (!done && done.error().code() == Errc::kTimeout) {
    return fail(
        Errc::kTimeout,
        "cluster \"{}\" is still there after {} s: its pods have not ended, or its controller has "
        "not let go of it; see 'kubectl vk8s doctor {} -n {}'",
        flags.name, flags.timeout_seconds, flags.name, api.namespace_name());
  }
  return done;
}

Status run_delete(Session& session, const DeleteFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const Json object = VK8S_TRY(api.get_cluster(flags.name));
  VK8S_TRY(make_sure(session, flags, describe_loss(object)));
  kube::DeleteOptions options;
  // The one that was shown, not another of the same name made meanwhile.
  options.uid = base::get_string(object, "metadata.uid").value_or("");
  if (flags.wait) {
    // It goes after what it owns, and after what that owns.
    options.propagation = kube::DeletePropagation::kForeground;
  }
  VK8S_TRY(api.remove(kube::resources::kVk8s, api.key_of(flags.name), options));
  if (flags.wait) {
    session.progress(flags.name, "is being deleted");
    VK8S_TRY(wait_until_gone(api, flags));
  }
  session.print(fmt::format("vk8s/{} {}", flags.name, flags.wait ? "deleted" : "is being deleted"));
  return {};
}

}  // namespace

void add_delete_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<DeleteFlags>();
  CLI::App* verb =
      add_verb(root, {"delete",
                      "Delete a cluster, with the volumes that are not to be retained",
                      {"kubectl vk8s delete team-a", "kubectl vk8s delete team-a --yes --wait"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_flag("-y,--yes", flags->yes, "Do not ask; needed where there is no terminal");
  verb->add_flag("--wait", flags->wait, "Until its pods and objects have gone; its volumes follow");
  add_timeout_option(*verb, flags->timeout_seconds, "Seconds to wait with --wait");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_delete);
}

}  // namespace vk8s::cli
