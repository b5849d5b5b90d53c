#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct GetFlags {
  ConnectionOptions connection;
  std::string name;
  OutputFormat format = OutputFormat::kText;
};

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_nodes(Session& session, const ClusterView& cluster, bool wide) {
  std::vector<std::vector<std::string>> rows = {{"NODE", "ROLE", "PHASE", "PROGRESS"}};
  if (wide) {
    rows[0].insert(rows[0].end(), {"IP", "FIXED IP", "KUBELET"});
  }
  rows[0].push_back("MESSAGE");
  for (const NodeView& node : cluster.nodes) {
    std::vector<std::string> row = {node.name, node.role, node.phase,
                                    fmt::format("{}%", node.progress)};
    if (wide) {
      row.insert(row.end(),
                 {or_dash(node.ip), or_dash(node.reserved_ip), or_dash(node.kubelet_version)});
    }
    row.push_back(node.message);
    rows.push_back(std::move(row));
  }
  session.print("");
  session.print_table(rows);
}

void print_conditions(Session& session, const ClusterView& cluster, bool wide) {
  if (cluster.conditions.empty()) {
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"CONDITION", "STATUS", "REASON"}};
  if (wide) {
    rows[0].push_back("SINCE");
  }
  rows[0].push_back("MESSAGE");
  for (const api::Condition& condition : cluster.conditions) {
    std::vector<std::string> row = {condition.type, std::string(api::to_string(condition.status)),
                                    condition.reason};
    if (wide) {
      row.push_back(age_text(condition.last_transition_time, session.surroundings().now()));
    }
    row.push_back(condition.message);
    rows.push_back(std::move(row));
  }
  session.print("");
  session.print_table(rows);
}

Status run_get(Session& session, const GetFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  Json object = VK8S_TRY(api.get_cluster(flags.name));
  if (flags.format == OutputFormat::kJson || flags.format == OutputFormat::kYaml) {
    if (Json* metadata = object.as_object().if_contains("metadata");
        metadata != nullptr && metadata->is_object()) {
      metadata->get_object().erase("managedFields");
    }
    session.print_document(object, flags.format);
    return {};
  }
  const ClusterView cluster = view_of(object);
  if (flags.format == OutputFormat::kName) {
    session.print("vk8s/" + cluster.name);
    return {};
  }
  const bool wide = flags.format == OutputFormat::kWide;
  session.print_table(
      {{"NAME", "PHASE", "VERSION", "NODES", "AGE", "ENDPOINT"},
       {cluster.name, cluster.phase, cluster.version, cluster.ready_nodes,
        age_text(cluster.created, session.surroundings().now()), or_dash(cluster.endpoint)}});
  if (!cluster.message.empty()) {
    session.print(cluster.message);
  }
  print_nodes(session, cluster, wide);
  print_conditions(session, cluster, wide);
  return {};
}

}  // namespace

void add_get_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<GetFlags>();
  CLI::App* verb = add_verb(root, {"get",
                                   "Show a cluster, its nodes and its conditions",
                                   {"kubectl vk8s get team-a", "kubectl vk8s get team-a -o wide",
                                    "kubectl vk8s get team-a -o yaml"}});
  add_cluster_argument(*verb, flags->name);
  add_output_option(*verb, flags->format, {"json", "yaml", "wide", "name"});
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_get);
}

}  // namespace vk8s::cli
