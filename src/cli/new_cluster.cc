#include "cli/new_cluster.h"

#include "api/quantity.h"
#include "api/version_catalogue.h"
#include "api/vk8s.h"
#include "base/names.h"
#include "base/text.h"
#include "cli/host_api.h"

namespace vk8s::cli {
namespace {

constexpr int kMaxWorkers = 63;
// A node's name is its StatefulSet's (spec.nodes[].name in the CRD).
constexpr std::size_t kMaxNodeNameBytes = 52;

std::string node_name(const NewCluster& wanted, std::string_view role, int number) {
  return fmt::format("{}-{}-{}", wanted.name, role, number);
}

Status check_names(const NewCluster& wanted) {
  VK8S_TRY(check_cluster_name(wanted.name));
  if (wanted.workers < 0 || wanted.workers > kMaxWorkers) {
    return fail(Errc::kInvalidArgument, "--workers {}: give 0 to {}", wanted.workers, kMaxWorkers);
  }
  const std::string longest = wanted.workers > 0 ? node_name(wanted, "worker", wanted.workers)
                                                 : node_name(wanted, "master", 1);
  if (longest.size() > kMaxNodeNameBytes) {
    return fail(Errc::kInvalidArgument,
                "NAME \"{}\" is too long: node \"{}\" would have {} characters of at most {}; "
                "give a name of at most {}",
                wanted.name, longest, longest.size(), kMaxNodeNameBytes,
                kMaxNodeNameBytes - (longest.size() - wanted.name.size()));
  }
  return {};
}

Status check_quantity(std::string_view flag, const std::string& value, std::string_view examples) {
  if (value.empty()) {
    return {};
  }
  const auto amount = api::parse_quantity_millis(value);
  if (!amount || *amount == 0) {
    return fail(Errc::kInvalidArgument, "{} \"{}\" is not an amount: give something like {}", flag,
                base::printable(value, 64), examples);
  }
  return {};
}

Status check(const NewCluster& wanted) {
  VK8S_TRY(check_names(wanted));
  VK8S_TRY(check_quantity("--cpu", wanted.cpu, "2 or 1500m"));
  VK8S_TRY(check_quantity("--memory", wanted.memory, "4Gi or 800Mi"));
  VK8S_TRY(check_quantity("--storage", wanted.storage, "20Gi"));
  if (!wanted.storage_class.empty() && !base::is_dns_subdomain(wanted.storage_class)) {
    return fail(Errc::kInvalidArgument, "--storage-class \"{}\" is no name of a StorageClass",
                base::printable(wanted.storage_class, 80));
  }
  if (wanted.ephemeral && !(wanted.storage.empty() && wanted.storage_class.empty())) {
    return fail(Errc::kInvalidArgument,
                "--ephemeral means no volumes: leave --storage and --storage-class out");
  }
  if (!wanted.ip_pool.empty() && !wanted.static_ips) {
    return fail(Errc::kInvalidArgument,
                "--ip-pool says where fixed addresses come from: add "
                "--static-ips, or leave it out");
  }
  if (!wanted.ip_pool.empty() && !base::is_dns_subdomain(wanted.ip_pool)) {
    return fail(Errc::kInvalidArgument, "--ip-pool \"{}\" is no name of a VNodeIPPool",
                base::printable(wanted.ip_pool, 80));
  }
  VK8S_TRY_CONTEXT(api::resolve_release(wanted.version, ""), "--version");
  return {};
}

JsonObject storage_of(const NewCluster& wanted, bool is_master) {
  JsonObject out;
  if (wanted.ephemeral && is_master) {
    out["ephemeral"] = true;
  }
  if (!wanted.storage.empty()) {
    out["size"] = wanted.storage;
  }
  // Of a worker without a size there is no volume to have a class.
  if (!wanted.storage_class.empty() && (is_master || !wanted.storage.empty())) {
    out["storageClassName"] = wanted.storage_class;
  }
  return out;
}

Json node_of(const NewCluster& wanted, std::string_view role, int number) {
  JsonObject out = {{"name", node_name(wanted, role, number)}, {"role", role}};
  JsonObject limits;
  if (!wanted.cpu.empty()) {
    limits["cpu"] = wanted.cpu;
  }
  if (!wanted.memory.empty()) {
    limits["memory"] = wanted.memory;
  }
  if (!limits.empty()) {
    out["resources"] = JsonObject{{"limits", std::move(limits)}};
  }
  if (JsonObject storage = storage_of(wanted, role == "master"); !storage.empty()) {
    out["storage"] = std::move(storage);
  }
  return out;
}

}  // namespace

Result<Json> make_vk8s(const NewCluster& wanted) {
  VK8S_TRY(check(wanted));
  JsonObject metadata = {{"name", wanted.name}};
  if (!wanted.namespace_name.empty()) {
    metadata["namespace"] = wanted.namespace_name;
  }
  JsonArray nodes;
  nodes.push_back(node_of(wanted, "master", 1));
  for (int number = 1; number <= wanted.workers; ++number) {
    nodes.push_back(node_of(wanted, "worker", number));
  }
  JsonObject spec;
  if (!wanted.version.empty()) {
    const std::string_view version = wanted.version;
    spec["kubernetes"] =
        JsonObject{{"version", version.starts_with('v') ? version.substr(1) : version}};
  }
  spec["nodes"] = std::move(nodes);
  if (wanted.static_ips) {
    JsonObject network = {{"staticIPs", true}};
    if (!wanted.ip_pool.empty()) {
      network["ipPool"] = wanted.ip_pool;
    }
    spec["network"] = std::move(network);
  }
  return Json(JsonObject{{"apiVersion", api::kVk8sApiVersion},
                         {"kind", "Vk8s"},
                         {"metadata", std::move(metadata)},
                         {"spec", std::move(spec)}});
}

}  // namespace vk8s::cli
