#include <map>

#include "cli/cluster_follower.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/new_cluster.h"
#include "cli/progress_view.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct CreateFlags {
  ConnectionOptions connection;
  NewCluster wanted;
  OutputFormat format = OutputFormat::kText;
  double timeout_seconds = 300;
  bool wait = false;
  bool dry_run = false;
};

Status wait_with_progress(Session& session, HostApi& api, const CreateFlags& flags) {
  std::map<std::string, std::string> told;
  Status done = wait_until_running(
      api, flags.wanted.name, std::chrono::duration<double>(flags.timeout_seconds),
      [&](const ClusterView& cluster) {
        for (const std::string& line : changed_lines(cluster, told)) {
          session.note(fmt::format("[{:5.1f} s] {}", session.elapsed().count(), line));
        }
      });
  return done;
}

Status run_create(Session& session, const CreateFlags& flags) {
  NewCluster wanted = flags.wanted;
  wanted.namespace_name = flags.connection.namespace_name;
  Json object = VK8S_TRY(make_vk8s(wanted));
  if (flags.dry_run) {
    session.print_document(
        object, flags.format == OutputFormat::kJson ? OutputFormat::kJson : OutputFormat::kYaml);
    return {};
  }
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  Result<Json> created = api.create(kube::resources::kVk8s, object);
  if (!created && created.error().code() == Errc::kAlreadyExists) {
    return fail(Errc::kAlreadyExists,
                "cluster \"{}\" exists already in namespace \"{}\": take another name, or delete "
                "it with 'kubectl vk8s delete {} -n {}'",
                wanted.name, api.namespace_name(), wanted.name, api.namespace_name());
  }
  if (!created) {
    return tl::unexpected<Error>(explain_missing_kind(created.error()));
  }
  if (flags.wait) {
    session.progress(wanted.name, "created");
    VK8S_TRY(wait_with_progress(session, api, flags));
    created = VK8S_TRY(api.get_cluster(wanted.name));
  }
  if (flags.format == OutputFormat::kJson || flags.format == OutputFormat::kYaml) {
    session.print_document(*created, flags.format);
    return {};
  }
  session.print(fmt::format("vk8s/{}{}", wanted.name,
                            flags.format == OutputFormat::kName ? ""
                            : flags.wait                        ? " is Running"
                                                                : " created"));
  return {};
}

}  // namespace

void add_create_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<CreateFlags>();
  CLI::App* verb = add_verb(
      root, {"create",
             "Create a virtual cluster",
             {"kubectl vk8s create team-a --wait",
              "kubectl vk8s create team-a --version 1.37 --workers 2 --cpu 2 --memory 4Gi",
              "kubectl vk8s create team-a --static-ips --wait",
              "kubectl vk8s create team-a --storage 20Gi --dry-run | kubectl apply -f -"}});
  NewCluster& wanted = flags->wanted;
  verb->add_option("NAME", wanted.name, "Of the new cluster: letters, digits and '-'")->required();
  verb->add_option("--version", wanted.version,
                   "Kubernetes version, of those of 'kubectl vk8s versions' [the newest]");
  verb->add_option("--workers", wanted.workers, "How many workers; the master runs pods as well")
      ->capture_default_str();
  verb->add_option("--cpu", wanted.cpu, "CPU limit of each node [none]");
  verb->add_option("--memory", wanted.memory, "Memory limit of each node [none]");
  verb->add_option("--storage", wanted.storage,
                   "Size of each node's volume [8Gi for the master, none for workers]");
  verb->add_option("--storage-class", wanted.storage_class,
                   "StorageClass of the volumes [the host's default]");
  verb->add_flag("--ephemeral", wanted.ephemeral,
                 "No volumes: the cluster's state is lost when its master's pod goes");
  verb->add_flag("--static-ips", wanted.static_ips,
                 "Every node keeps its address on the host for the life of the cluster");
  verb->add_option("--ip-pool", wanted.ip_pool,
                   "VNodeIPPool of these addresses, see 'kubectl vk8s ip pools' [any]");
  verb->add_flag("--dry-run", flags->dry_run, "Print the manifest; nothing is created");
  verb->add_flag("--wait", flags->wait, "Show the progress until it is Running");
  add_timeout_option(*verb, flags->timeout_seconds, "Seconds to wait with --wait");
  add_output_option(*verb, flags->format, {"json", "yaml", "name"});
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_create);
}

}  // namespace vk8s::cli
