#include "base/text.h"
#include "cli/address_checks.h"
#include "cli/finding_view.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"
#include "kube/request_path.h"

namespace vk8s::cli {
namespace {

struct IpCheckFlags {
  ConnectionOptions connection;
  OutputFormat format = OutputFormat::kText;
  bool repair = false;
};

const kube::Resource kIPAMBlock{"crd.projectcalico.org", "v1", "ipamblocks", "IPAMBlock", false};

// Most hosts have no such kind.
void read_calico(HostApi& api, AddressRecords& out) {
  const auto blocks = api.list_all(kIPAMBlock, "");
  if (!blocks && blocks.error().code() != Errc::kNotFound) {
    out.calico_trouble = "cannot be listed: " + base::printable(blocks.error().message(), 512);
  }
  for (const Json& block : blocks.value_or(JsonArray())) {
    for (CalicoAddress& each : parse_calico_block(block)) {
      out.calico.push_back(std::move(each));
    }
  }
}

Result<AddressRecords> read_records(HostApi& api) {
  AddressRecords out;
  // In this order: who is looked for later may have come meanwhile, but has not gone.
  out.allocations = VK8S_TRY(list_allocations(api));
  out.pools = VK8S_TRY(list_pools(api));
  for (const Json& node : VK8S_TRY(api.list_all(kube::resources::kNode, ""))) {
    for (HeldAddress& held : parse_held_addresses(node, out.unreadable_nodes)) {
      out.held.push_back(std::move(held));
    }
  }
  read_calico(api, out);
  for (const Json& pod : VK8S_TRY(api.list_all(kube::resources::kPod, ""))) {
    out.pods.push_back(parse_addressed_pod(pod));
  }
  for (const Json& object : VK8S_TRY(api.list_all(kube::resources::kVk8s, ""))) {
    if (auto cluster = api::parse_vk8s(object)) {
      out.clusters.push_back(*std::move(cluster));
    } else {
      out.unreadable_clusters[kube::key_of(object)] =
          "cannot be read: " + base::printable(cluster.error().message(), 512);
    }
  }
  return out;
}

Status repair(HostApi& api, const AddressFinding& found) {
  if (found.repair == Repair::kReleaseLeft) {
    VK8S_TRY(refuse_if_wanted(api, found.allocation));
  }
  if (found.repair != Repair::kDelete) {
    return begin_release(api, found.allocation);
  }
  // Not if somebody has taken it again meanwhile.
  kube::DeleteOptions options;
  options.uid = found.allocation.uid;
  options.resource_version = found.allocation.resource_version;
  VK8S_TRY(api.remove(kube::resources::kIPAllocation,
                      {"", api::allocation_name(found.allocation.address)}, options));
  return {};
}

// Each is tried; what has become of it stands in its finding.
void repair_all(HostApi& api, std::vector<AddressFinding>& findings) {
  for (AddressFinding& each : findings) {
    if (each.repair == Repair::kNone) {
      continue;
    }
    const Status done = repair(api, each);
    if (done || done.error().code() == Errc::kNotFound) {
      each.finding.level = FindingLevel::kOk;
      each.finding.fix.clear();
      each.finding.what +=
          each.repair == Repair::kDelete ? ": deleted" : ": given back, its record goes by itself";
    } else {
      each.finding.what += ": not repaired: " + base::printable(done.error().message(), 512);
    }
  }
}

Status run_ip_check(Session& session, const IpCheckFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const AddressRecords records = VK8S_TRY(read_records(api));
  std::vector<AddressFinding> found = check_addresses(records);
  if (flags.repair) {
    repair_all(api, found);
  }
  Findings findings;
  for (const AddressFinding& each : found) {
    findings.push_back(each.finding);
  }
  if (flags.format != OutputFormat::kText) {
    session.print_document(to_json(findings), flags.format);
  } else if (findings.empty()) {
    session.print(
        fmt::format("{} address{} of {} pool{}: nothing is wrong", records.allocations.items.size(),
                    records.allocations.items.size() == 1 ? "" : "es", records.pools.items.size(),
                    records.pools.items.size() == 1 ? "" : "s"));
  } else {
    print_findings(session, findings);
  }
  if (const std::size_t failures = count_failures(findings); failures > 0) {
    return fail(Errc::kUnavailable, "{} thing{} wrong with addresses", failures,
                failures == 1 ? " is" : "s are");
  }
  return {};
}

}  // namespace

void add_ip_check_command(CLI::App& ip, Session& session) {
  const auto flags = std::make_shared<IpCheckFlags>();
  CLI::App* verb = add_verb(
      ip, {"check",
           "Compare the records of addresses with pools, clusters, pods and what nodes hold",
           {"kubectl vk8s ip check", "kubectl vk8s ip check --repair",
            "kubectl vk8s ip check -o json"}});
  verb->add_flag("--repair", flags->repair,
                 "Give back what nobody uses, delete what is given back; nothing else");
  add_output_option(*verb, flags->format);
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_ip_check);
}

}  // namespace vk8s::cli
