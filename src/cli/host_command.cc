#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "host/host_cluster.h"

namespace vk8s::cli {
namespace {

// The flags of all host verbs; each verb uses its part.
struct HostFlags {
  host::HostOptions options;
  OutputFormat format = OutputFormat::kText;
  int timeout_seconds = 180;
  int grace_seconds = 60;
  bool no_wait = false;
  bool purge = false;
  bool path_only = false;
};
using SharedFlags = std::shared_ptr<HostFlags>;

host::HostCluster make_cluster(Session& session, const HostFlags& flags) {
  host::HostOptions options = flags.options;
  options.wait = !flags.no_wait;
  options.timeout = std::chrono::seconds(flags.timeout_seconds);
  options.stop_grace = std::chrono::seconds(flags.grace_seconds);
  return {std::move(options), [&session](std::string_view subject, std::string_view text) {
            session.progress(subject, text);
          }};
}

std::string state_of(const host::HostNodeStatus& node) {
  if (node.container.state != host::ContainerState::kRunning) {
    return std::string(to_string(node.container.state));
  }
  return node.agent ? std::string(to_string(node.agent->phase)) : "no answer";
}

Json to_json(const host::HostStatus& status) {
  JsonArray nodes;
  for (const host::HostNodeStatus& node : status.nodes) {
    JsonObject one = {{"name", node.name},
                      {"role", api::to_string(node.role)},
                      {"address", node.address},
                      {"container", to_string(node.container.state)},
                      {"pid", node.container.pid}};
    if (node.agent) {
      one["agent"] = api::to_json(*node.agent);
    }
    nodes.push_back(std::move(one));
  }
  return JsonObject{{"exists", status.exists},        {"name", status.name},
                    {"apiServer", status.api_server}, {"kubeconfig", status.kubeconfig},
                    {"registry", status.registry},    {"addressPool", status.address_pool},
                    {"nodes", std::move(nodes)}};
}

void print_status(Session& session, const host::HostStatus& status, OutputFormat format) {
  if (format != OutputFormat::kText) {
    session.print_document(to_json(status), format);
    return;
  }
  if (!status.exists) {
    session.print("There is no host. Make one with 'kubectl vk8s host up'.");
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"NODE", "ROLE", "ADDRESS", "STATE", "STEP"}};
  for (const host::HostNodeStatus& node : status.nodes) {
    rows.push_back({node.name, std::string(api::to_string(node.role)), node.address, state_of(node),
                    node.agent ? node.agent->step : std::string()});
  }
  session.print_table(rows);
  session.print(fmt::format("\nAPI server  {}\nkubeconfig  {}{}", status.api_server,
                            status.kubeconfig,
                            status.registry.empty() ? "" : "\nregistry    " + status.registry));
}

Status run_up(Session& session, const HostFlags& flags) {
  host::HostCluster cluster = make_cluster(session, flags);
  VK8S_TRY(cluster.up());
  const host::HostStatus status = VK8S_TRY(cluster.status());
  session.progress("host", flags.no_wait ? "started" : "Ready");
  if (flags.format != OutputFormat::kText) {
    session.print_document(to_json(status), flags.format);
  } else {
    session.print(fmt::format("export KUBECONFIG={}", status.kubeconfig));
  }
  return {};
}

Status run_down(Session& session, const HostFlags& flags) {
  host::HostCluster cluster = make_cluster(session, flags);
  VK8S_TRY(flags.purge ? cluster.purge() : cluster.down());
  session.progress("host", flags.purge ? "removed" : "stopped; its state is kept");
  return {};
}

Status run_status(Session& session, const HostFlags& flags) {
  const host::HostStatus status = VK8S_TRY(make_cluster(session, flags).status());
  print_status(session, status, flags.format);
  return {};
}

Status run_kubeconfig(Session& session, const HostFlags& flags) {
  host::HostCluster cluster = make_cluster(session, flags);
  const std::string text = VK8S_TRY(cluster.kubeconfig());
  session.print(flags.path_only ? host::kubeconfig_path(flags.options.state_folder) : text);
  return {};
}

using Action = Status (*)(Session&, const HostFlags&);

CLI::App* add_verb(CLI::App& host, Session& session, const SharedFlags& flags,
                   const std::string& name, const std::string& help, Action action) {
  CLI::App* verb = host.add_subcommand(name, help);
  verb->footer(std::string(kExitCodeHelp));
  verb->add_option("--state-dir", flags->options.state_folder,
                   "Where the host keeps its state, on a disk")
      ->capture_default_str()
      ->envname("VK8S_HOST_STATE_DIR");
  verb->callback([&session, flags, action] {
    session.action = [&session, flags, action] { return action(session, *flags); };
  });
  return verb;
}

void add_up(CLI::App& host, Session& session, const SharedFlags& flags) {
  CLI::App* up = add_verb(host, session, flags, "up",
                          "Make the host, or repair it: quick when all is well", run_up);
  host::HostOptions& options = flags->options;
  up->add_option("--nodes", options.node_count, "How many nodes; the first is the master [1]");
  up->add_option("--rootfs", options.rootfs, "Unpacked vnode image; needed once")
      ->envname("VK8S_ROOTFS");
  up->add_option("--registry-rootfs", options.registry_rootfs,
                 "Unpacked registry image; \"\" = no registry")
      ->envname("VK8S_REGISTRY_ROOTFS");
  up->add_option("--name", options.name,
                 "Prefix of bridge, network namespaces and containers [vk8s]");
  up->add_option("--subnet", options.subnet, "Of the nodes, /24 or larger [198.18.0.0/16]");
  up->add_option("--pod-network-cidr", options.pod_network_cidr, "[198.19.0.0/17]");
  up->add_option("--service-cidr", options.service_cidr, "[198.19.128.0/17]");
  up->add_option("--kubernetes-version", options.kubernetes_version, "As in the image [newest]");
  up->add_option("--runc", options.runc, "runc to use instead of the image's");
  up->add_option("--timeout", flags->timeout_seconds, "Seconds to wait for Ready")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  up->add_flag("--no-wait", flags->no_wait, "Return when the containers run");
  add_output_option(*up, flags->format);
}

}  // namespace

void add_host_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<HostFlags>();
  CLI::App* host =
      root.add_subcommand("host", "A host Kubernetes on this machine, in containers (needs root)");
  host->require_subcommand(1);
  add_up(*host, session, flags);

  CLI::App* down =
      add_verb(*host, session, flags, "down", "Stop the host; its state is kept", run_down);
  down->add_flag("--purge", flags->purge, "Remove the state too: nothing is left");
  down->add_option("--name", flags->options.name, "Of a host whose state is lost");
  down->add_option("--runc", flags->options.runc, "runc, for a host whose state is lost");
  down->add_option("--grace", flags->grace_seconds, "Seconds for each node to stop in good order")
      ->capture_default_str()
      ->check(CLI::Range(0, 3600));

  CLI::App* status = add_verb(*host, session, flags, "status", "Show the nodes", run_status);
  add_output_option(*status, flags->format);

  CLI::App* kubeconfig = add_verb(*host, session, flags, "kubeconfig",
                                  "Print the administrator's kubeconfig", run_kubeconfig);
  kubeconfig->add_flag("--path", flags->path_only, "Print the file's path instead");
}

}  // namespace vk8s::cli
