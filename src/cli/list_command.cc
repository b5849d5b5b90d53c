#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct ListFlags {
  ConnectionOptions connection;
  OutputFormat format = OutputFormat::kText;
  bool all_namespaces = false;
};

void print_list(Session& session, const JsonArray& clusters, const ListFlags& flags) {
  std::vector<std::string> heading = {"NAME", "PHASE", "VERSION", "NODES", "AGE"};
  const bool wide = flags.format == OutputFormat::kWide;
  if (wide) {
    heading.insert(heading.end(), {"ENDPOINT", "FIXED IPS", "MESSAGE"});
  }
  if (flags.all_namespaces) {
    heading.insert(heading.begin(), "NAMESPACE");
  }
  std::vector<std::vector<std::string>> rows = {heading};
  for (const Json& object : clusters) {
    const ClusterView cluster = view_of(object);
    std::vector<std::string> row = {cluster.name, cluster.phase, cluster.version,
                                    cluster.ready_nodes,
                                    age_text(cluster.created, session.surroundings().now())};
    if (wide) {
      const std::string addresses = cluster.fixed_addresses();
      row.insert(row.end(), {cluster.endpoint.empty() ? "-" : cluster.endpoint,
                             addresses.empty() ? "-" : addresses, cluster.message});
    }
    if (flags.all_namespaces) {
      row.insert(row.begin(), cluster.namespace_name);
    }
    rows.push_back(std::move(row));
  }
  session.print_table(rows);
}

Status run_list(Session& session, const ListFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  Result<JsonArray> listed =
      api.list_all(kube::resources::kVk8s, flags.all_namespaces ? "" : api.namespace_name());
  if (!listed) {
    return tl::unexpected<Error>(explain_missing_kind(listed.error()));
  }
  JsonArray clusters = *std::move(listed);
  if (flags.format == OutputFormat::kJson || flags.format == OutputFormat::kYaml) {
    session.print_document(
        JsonObject{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(clusters)}},
        flags.format);
    return {};
  }
  if (flags.format == OutputFormat::kName) {
    for (const Json& object : clusters) {
      session.print("vk8s/" + view_of(object).name);
    }
    return {};
  }
  if (clusters.empty()) {
    session.note(flags.all_namespaces
                     ? "There are no clusters. Make one with 'kubectl vk8s create NAME'."
                     : fmt::format("There are no clusters in namespace \"{}\". Make one with "
                                   "'kubectl vk8s create NAME', or look everywhere with -A.",
                                   api.namespace_name()));
    return {};
  }
  print_list(session, clusters, flags);
  return {};
}

}  // namespace

void add_list_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<ListFlags>();
  CLI::App* verb = add_verb(
      root, {"list",
             "List the virtual clusters",
             {"kubectl vk8s list", "kubectl vk8s list -A -o wide", "kubectl vk8s list -o json"}});
  verb->alias("ls");
  verb->add_flag("-A,--all-namespaces", flags->all_namespaces, "Of every namespace");
  add_output_option(*verb, flags->format, {"json", "yaml", "wide", "name"});
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_list);
}

}  // namespace vk8s::cli
