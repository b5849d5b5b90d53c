#include <algorithm>

#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/cluster_view.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct IpPoolsFlags {
  ConnectionOptions connection;
  OutputFormat format = OutputFormat::kText;
};

std::string join(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += (out.empty() ? "" : ",") + base::printable(text, 96);
  }
  return out.empty() ? "-" : out;
}

std::string selector_text(const api::IpPool& pool) {
  std::vector<std::string> out;
  for (const auto& [name, value] : pool.cluster_labels) {
    out.push_back(fmt::format("{}={}", name, value));
  }
  return join(out);
}

// What the condition Ready says of it.
struct Standing {
  std::string reason = "-";
  std::string message;
};

Standing standing_of(const Json& object) {
  const JsonArray* conditions = base::get_array(object, "status.conditions");
  for (const Json& condition : conditions == nullptr ? JsonArray() : *conditions) {
    if (base::get_string(condition, "type") == "Ready") {
      return {clean_field(condition, "reason", 64), clean_field(condition, "message", 512)};
    }
  }
  return {};
}

std::vector<std::string> row_of(Session& session, const Json& object,
                                const std::vector<ListedAllocation>& allocations, bool wide) {
  const auto pool = api::parse_ip_pool(object);
  Standing standing = standing_of(object);
  std::vector<std::string> row = {clean_field(object, "metadata.name")};
  if (pool) {
    const auto taken =
        std::count_if(allocations.begin(), allocations.end(), [&](const ListedAllocation& each) {
          return pool->addresses.contains(each.allocation.address);
        });
    row.insert(row.end(),
               {join(pool->ranges), std::to_string(pool->addresses.size()), std::to_string(taken)});
  } else {
    row.insert(row.end(), {"?", "-", "-"});
    standing = {"Invalid", base::printable(pool.error().message(), 512)};
  }
  row.push_back(standing.reason);
  row.push_back(age_text(clean_field(object, "metadata.creationTimestamp", 64),
                         session.surroundings().now()));
  if (wide && pool) {
    row.insert(row.end(), {join(pool->exclusions), pool->gateway.empty() ? "-" : pool->gateway,
                           join(pool->namespaces), selector_text(*pool)});
  } else if (wide) {
    row.insert(row.end(), {"-", "-", "-", "-"});
  }
  if (wide) {
    row.push_back(standing.message);
  }
  return row;
}

Status run_ip_pools(Session& session, const IpPoolsFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  auto objects = api.list_all(kube::resources::kVNodeIPPool, "");
  if (!objects) {
    return tl::unexpected<Error>(explain_missing_kind(objects.error(), "VNodeIPPool"));
  }
  if (flags.format == OutputFormat::kJson || flags.format == OutputFormat::kYaml) {
    session.print_document(
        JsonObject{{"apiVersion", "v1"}, {"kind", "List"}, {"items", *std::move(objects)}},
        flags.format);
    return {};
  }
  if (objects->empty()) {
    session.note(
        "There are no pools, so no address can be given: make a VNodeIPPool (docs/api.md).");
    return {};
  }
  const Readable<ListedAllocation> allocations = VK8S_TRY(list_allocations(api));
  const bool wide = flags.format == OutputFormat::kWide;
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "RANGES", "CAPACITY", "TAKEN", "STANDING", "AGE"}};
  if (wide) {
    rows[0].insert(rows[0].end(), {"EXCLUSIONS", "GATEWAY", "NAMESPACES", "CLUSTERS", "MESSAGE"});
  }
  for (const Json& object : *objects) {
    rows.push_back(row_of(session, object, allocations.items, wide));
  }
  session.print_table(rows);
  return {};
}

}  // namespace

void add_ip_pools_command(CLI::App& ip, Session& session) {
  const auto flags = std::make_shared<IpPoolsFlags>();
  CLI::App* verb = add_verb(ip, {"pools",
                                 "List the pools that fixed addresses come from",
                                 {"kubectl vk8s ip pools", "kubectl vk8s ip pools -o wide"}});
  add_output_option(*verb, flags->format, {"json", "yaml", "wide"});
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_ip_pools);
}

}  // namespace vk8s::cli
