#include <algorithm>

#include "api/vk8s.h"
#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/commands.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"
#include "kube/not_found.h"

namespace vk8s::cli {
namespace {

constexpr const char* kAddressHelp = "The address that is taken";

std::string trouble_with(const Json& object, const Error& error) {
  return fmt::format("{}: {}", clean_field(object, "metadata.name"),
                     base::printable(error.message(), 512));
}

}  // namespace

CLI::Option* add_address_argument(CLI::App& verb, std::string& address) {
  return verb.add_option("ADDRESS", address, kAddressHelp)->required();
}

bool takes_taken_address(const CLI::App& verb) {
  const CLI::Option* option = verb.get_option_no_throw("ADDRESS");
  return option != nullptr && option->get_description() == kAddressHelp;
}

Result<IpAddress> parse_address_argument(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) {
    return tl::unexpected<Error>(Error(address.error()).context("ADDRESS"));
  }
  return *address;
}

Readable<ListedAllocation> parse_allocations(const JsonArray& objects) {
  Readable<ListedAllocation> out;
  for (const Json& object : objects) {
    auto allocation = api::parse_ip_allocation(object);
    if (allocation) {
      out.items.push_back(
          {*std::move(allocation), clean_field(object, "metadata.creationTimestamp", 64)});
    } else {
      out.unreadable.push_back(trouble_with(object, allocation.error()));
    }
  }
  std::sort(out.items.begin(), out.items.end(), [](const auto& a, const auto& b) {
    return a.allocation.address < b.allocation.address;
  });
  return out;
}

Result<Readable<ListedAllocation>> list_allocations(HostApi& api) {
  const auto objects = api.list_all(kube::resources::kIPAllocation, "");
  if (!objects) {
    return tl::unexpected<Error>(explain_missing_kind(objects.error(), "IPAllocation"));
  }
  return parse_allocations(*objects);
}

Readable<api::IpPool> parse_pools(const JsonArray& objects) {
  Readable<api::IpPool> out;
  for (const Json& object : objects) {
    auto pool = api::parse_ip_pool(object);
    if (pool) {
      out.items.push_back(*std::move(pool));
    } else {
      out.unreadable.push_back(trouble_with(object, pool.error()));
    }
  }
  std::sort(out.items.begin(), out.items.end(), api::is_earlier);
  return out;
}

Result<Readable<api::IpPool>> list_pools(HostApi& api) {
  const auto objects = api.list_all(kube::resources::kVNodeIPPool, "");
  if (!objects) {
    return tl::unexpected<Error>(explain_missing_kind(objects.error(), "VNodeIPPool"));
  }
  return parse_pools(*objects);
}

std::string_view state_of(const api::IpAllocation& allocation) {
  return allocation.releasing ? "deallocating" : allocation.owner ? "allocated" : "reserved";
}

std::string holder_of(const api::IpAllocation& allocation) {
  if (!allocation.owner) {
    return "nobody: it is reserved";
  }
  const api::IpOwner& owner = *allocation.owner;
  std::string out = "pod " + base::printable(owner.to_string(), 320);
  if (!owner.cluster.empty()) {
    out += fmt::format(" (node {} of Vk8s {})", base::printable(owner.node, 63),
                       base::printable(owner.cluster, 63));
  }
  return out;
}

Status begin_release(HostApi& api, const api::IpAllocation& allocation) {
  JsonObject metadata;
  metadata["uid"] = allocation.uid;
  metadata["resourceVersion"] = allocation.resource_version;
  JsonObject patch;
  patch["metadata"] = std::move(metadata);
  patch["spec"] = JsonObject{{"releasing", true}};
  VK8S_TRY(api.merge_patch(kube::resources::kIPAllocation,
                           {"", api::allocation_name(allocation.address)}, Json(std::move(patch))));
  return {};
}

Status refuse_if_wanted(HostApi& api, const api::IpAllocation& allocation) {
  if (!allocation.owner || allocation.owner->cluster.empty()) {
    return {};
  }
  const api::IpOwner& owner = *allocation.owner;
  const auto object = api.get(kube::resources::kVk8s, {owner.namespace_name, owner.cluster});
  const bool is_gone = object ? base::get_string(*object, "metadata.uid") != owner.cluster_uid
                              : kube::says_it_is_gone(object.error(), owner.cluster);
  if (is_gone) {
    return {};
  }
  const auto vk8s =
      object ? api::parse_vk8s(*object) : Result<api::Vk8s>(tl::unexpected<Error>(object.error()));
  if (!vk8s) {
    // That the kind is not served is not that nobody has the address.
    const Errc code = vk8s.error().code();
    return fail(code == Errc::kNotFound ? Errc::kUnavailable : code,
                "whether Vk8s {}/{} still wants {} cannot be seen: {}", owner.namespace_name,
                owner.cluster, allocation.address.to_string(), vk8s.error().message());
  }
  const api::NodeSpec* node = vk8s->find_node(owner.node);
  if (node == nullptr || !vk8s->wants_address(*node)) {
    return {};
  }
  return fail(Errc::kConflict,
              "{} is the fixed address of node {} of Vk8s {}/{}, which would take it again: remove "
              "the node or delete the cluster, and it is given back by itself",
              allocation.address.to_string(), owner.node, owner.namespace_name, owner.cluster);
}

void add_ip_command(CLI::App& root, Session& session) {
  CLI::App* ip = root.add_subcommand("ip", "The fixed addresses of virtual nodes on the host");
  ip->require_subcommand(1);
  add_ip_list_command(*ip, session);
  add_ip_pools_command(*ip, session);
  add_ip_reserve_command(*ip, session);
  add_ip_release_command(*ip, session);
  add_ip_check_command(*ip, session);
}

}  // namespace vk8s::cli
