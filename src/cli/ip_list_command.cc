#include <map>

#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/cluster_view.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct IpListFlags {
  ConnectionOptions connection;
  OutputFormat format = OutputFormat::kText;
  std::string pool;
};

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

bool is_wanted(const api::IpAllocation& allocation, const IpListFlags& flags) {
  const std::string& in = flags.connection.namespace_name;
  return (flags.pool.empty() || allocation.pool == flags.pool) &&
         (in.empty() || (allocation.owner && allocation.owner->namespace_name == in));
}

// The host's node of each pod that carries the label of fixed addresses; what cannot
// be seen is left out.
std::map<std::string, std::string> nodes_of_pods(HostApi& api) {
  std::map<std::string, std::string> out;
  const auto pods =
      api.list_all(kube::resources::kPod, "", std::string(api::kStaticIpLabel) + "=true");
  for (const Json& pod : pods ? *pods : JsonArray()) {
    out[clean_field(pod, "metadata.namespace") + "/" + clean_field(pod, "metadata.name")] =
        clean_field(pod, "spec.nodeName");
  }
  return out;
}

void print_allocations(Session& session, HostApi& api,
                       const std::vector<ListedAllocation>& allocations, bool wide) {
  std::vector<std::string> heading = {"ADDRESS", "STATE", "OWNER", "POOL", "AGE"};
  std::map<std::string, std::string> nodes;
  if (wide) {
    heading.insert(heading.end(), {"CLUSTER", "HOST NODE", "NOTE"});
    nodes = nodes_of_pods(api);
  }
  std::vector<std::vector<std::string>> rows = {heading};
  for (const ListedAllocation& listed : allocations) {
    const api::IpAllocation& each = listed.allocation;
    const std::string owner =
        each.owner ? base::printable(each.owner->to_string(), 320) : std::string();
    std::vector<std::string> row = {each.address.to_string(), std::string(state_of(each)),
                                    or_dash(owner), or_dash(base::printable(each.pool, 253)),
                                    age_text(listed.created, session.surroundings().now())};
    if (wide) {
      const auto node = nodes.find(owner);
      row.push_back(or_dash(each.owner ? base::printable(each.owner->cluster, 63) : ""));
      row.push_back(node == nodes.end() ? "-" : or_dash(node->second));
      row.push_back(or_dash(base::printable(each.note, 256)));
    }
    rows.push_back(std::move(row));
  }
  session.print_table(rows);
}

Json to_list(const std::vector<ListedAllocation>& allocations) {
  JsonArray items;
  for (const ListedAllocation& each : allocations) {
    Json object = api::to_json(each.allocation);
    object.get_object()["metadata"].get_object()["creationTimestamp"] = each.created;
    items.push_back(std::move(object));
  }
  return JsonObject{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}};
}

Status run_ip_list(Session& session, const IpListFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  Readable<ListedAllocation> listed = VK8S_TRY(list_allocations(api));
  for (const std::string& trouble : listed.unreadable) {
    session.note(fmt::format("IPAllocation {}", trouble));
  }
  std::erase_if(listed.items,
                [&](const ListedAllocation& each) { return !is_wanted(each.allocation, flags); });
  if (flags.format == OutputFormat::kJson || flags.format == OutputFormat::kYaml) {
    session.print_document(to_list(listed.items), flags.format);
  } else if (flags.format == OutputFormat::kName) {
    for (const ListedAllocation& each : listed.items) {
      session.print("ipallocation/" + api::allocation_name(each.allocation.address));
    }
  } else if (listed.items.empty()) {
    session.note("No address is taken.");
  } else {
    print_allocations(session, api, listed.items, flags.format == OutputFormat::kWide);
  }
  return {};
}

}  // namespace

void add_ip_list_command(CLI::App& ip, Session& session) {
  const auto flags = std::make_shared<IpListFlags>();
  CLI::App* verb =
      add_verb(ip, {"list",
                    "List the addresses that are taken, and by whom",
                    {"kubectl vk8s ip list", "kubectl vk8s ip list -n research -o wide",
                     "kubectl vk8s ip list --pool edge -o json"}});
  verb->alias("ls");
  verb->add_option("--pool", flags->pool, "Of this VNodeIPPool only");
  add_output_option(*verb, flags->format, {"json", "yaml", "wide", "name"});
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_ip_list);
}

}  // namespace vk8s::cli
