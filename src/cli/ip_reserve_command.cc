#include <algorithm>

#include "api/vk8s.h"
#include "base/names.h"
#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"
#include "ipmanager/pool_book.h"

namespace vk8s::cli {
namespace {

struct IpReserveFlags {
  ConnectionOptions connection;
  std::string address;
  std::string owner;
  std::string note;
  OutputFormat format = OutputFormat::kText;
};

constexpr std::size_t kMaxNote = 1024;

struct Owner {
  api::IpOwner owner;
  std::map<std::string, std::string> cluster_labels;
};

Result<Owner> parse_owner(const std::string& text) {
  const std::size_t slash = text.find('/');
  Owner out;
  if (slash != std::string::npos) {
    out.owner.namespace_name = text.substr(0, slash);
    out.owner.pod = text.substr(slash + 1);
  }
  if (!base::is_dns_label(out.owner.namespace_name) || !base::is_dns_subdomain(out.owner.pod)) {
    return fail(Errc::kInvalidArgument,
                "--for \"{}\": NAMESPACE/POD is needed, such as team-a/camera-0",
                base::printable(text, 128));
  }
  return out;
}

// The pod of a virtual node is known by its Vk8s as well.
Status fill_in_cluster(HostApi& api, Owner& owner) {
  if (!owner.owner.pod.ends_with("-0")) {
    return {};
  }
  const std::string node = owner.owner.pod.substr(0, owner.owner.pod.size() - 2);
  for (const Json& object :
       VK8S_TRY(api.list_all(kube::resources::kVk8s, owner.owner.namespace_name))) {
    const auto vk8s = api::parse_vk8s(object);
    if (vk8s && vk8s->find_node(node) != nullptr) {
      owner.owner.cluster = vk8s->metadata.name;
      owner.owner.cluster_uid = vk8s->metadata.uid;
      owner.owner.node = node;
      owner.cluster_labels = vk8s->metadata.labels;
      return {};
    }
  }
  return {};
}

// What the pools may give, as whoever gives addresses sees it.
Result<ipmanager::PoolBook> read_pools(Session& session, HostApi& api) {
  ipmanager::PoolBook out;
  const auto pools = api.list_all(kube::resources::kVNodeIPPool, "");
  if (!pools) {
    return tl::unexpected<Error>(explain_missing_kind(pools.error(), "VNodeIPPool"));
  }
  for (const Json& pool : *pools) {
    out.put_pool(pool);
  }
  const auto nodes = api.list_all(kube::resources::kNode, "");
  if (!nodes && nodes.error().code() != Errc::kForbidden) {
    return tl::unexpected<Error>(nodes.error());
  }
  if (!nodes) {
    session.note(
        "You may not list Nodes: whether one gives this address to its pods by itself is "
        "not known.");
  }
  for (const Json& node : nodes.value_or(JsonArray())) {
    out.put_node(clean_field(node, "metadata.name"), ipmanager::pod_networks_of(node));
  }
  return out;
}

// The pool that may give it.
Result<std::string> find_pool(Session& session, HostApi& api, const IpAddress& address,
                              const Owner* owner) {
  const ipmanager::PoolBook book = VK8S_TRY(read_pools(session, api));
  const ipmanager::PoolBook::Pool* holder = book.holder_of(address);
  if (holder == nullptr) {
    return fail(Errc::kInvalidArgument,
                "{} is none that a VNodeIPPool may give ({}; see 'kubectl vk8s ip pools -o wide'): "
                "nobody would be given it, so there is nothing to reserve",
                address.to_string(), book.why_not(address));
  }
  ipmanager::AllocationRequest request;
  if (owner != nullptr) {
    request.owner = owner->owner;
    request.cluster_labels = owner->cluster_labels;
  }
  if (const std::string refusal = holder->refusal(request); !refusal.empty()) {
    return fail(Errc::kInvalidArgument, "{}: {}", address.to_string(), refusal);
  }
  return holder->pool.name;
}

Status refuse_second(HostApi& api, const api::IpOwner& owner) {
  const Readable<ListedAllocation> taken = VK8S_TRY(list_allocations(api));
  for (const ListedAllocation& each : taken.items) {
    if (each.allocation.owner && each.allocation.owner->is_same(owner) &&
        !each.allocation.releasing) {
      return fail(Errc::kAlreadyExists, "{} has an address already: {}: release that one first",
                  owner.to_string(), each.allocation.address.to_string());
    }
  }
  return {};
}

// What was reserved for nobody may be given to somebody, once; all else is taken.
Result<Json> take_over(HostApi& api, const api::IpAllocation& wanted, const Error& error) {
  const kube::ObjectKey key{"", api::allocation_name(wanted.address)};
  const auto object = api.get(kube::resources::kIPAllocation, key);
  const auto holder = object ? api::parse_ip_allocation(*object) : Result<api::IpAllocation>();
  if (!object || !holder) {
    return tl::unexpected<Error>(error);
  }
  if (holder->owner || holder->releasing || !wanted.owner) {
    return fail(Errc::kAlreadyExists, "{} is taken by {}", wanted.address.to_string(),
                holder_of(*holder));
  }
  const Json made = api::to_json(wanted);
  JsonObject patch;
  patch["metadata"] =
      JsonObject{{"uid", Json(holder->uid)}, {"resourceVersion", Json(holder->resource_version)}};
  patch["spec"] = JsonObject{{"owner", *base::find(made, "spec.owner")}};
  return api.merge_patch(kube::resources::kIPAllocation, key, Json(std::move(patch)));
}

Status run_ip_reserve(Session& session, const IpReserveFlags& flags) {
  api::IpAllocation wanted;
  wanted.address = VK8S_TRY(parse_address_argument(flags.address));
  if (flags.note.size() > kMaxNote) {
    return fail(Errc::kInvalidArgument, "--note: at most {} characters", kMaxNote);
  }
  wanted.note = flags.note;
  std::optional<Owner> owner;
  if (!flags.owner.empty()) {
    owner = VK8S_TRY(parse_owner(flags.owner));
  }
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  if (owner) {
    VK8S_TRY(fill_in_cluster(api, *owner));
    VK8S_TRY(refuse_second(api, owner->owner));
    wanted.owner = owner->owner;
  }
  wanted.pool = VK8S_TRY(find_pool(session, api, wanted.address, owner ? &*owner : nullptr));
  auto created = api.create(kube::resources::kIPAllocation, api::to_json(wanted));
  if (!created && created.error().code() == Errc::kAlreadyExists) {
    created = VK8S_TRY(take_over(api, wanted, created.error()));
  }
  if (!created) {
    return tl::unexpected<Error>(explain_missing_kind(created.error(), "IPAllocation"));
  }
  if (flags.format == OutputFormat::kText) {
    session.print(fmt::format("ipallocation/{} reserved for {}",
                              api::allocation_name(wanted.address),
                              owner ? owner->owner.to_string() : "nobody"));
  } else {
    session.print_document(*created, flags.format);
  }
  return {};
}

}  // namespace

void add_ip_reserve_command(CLI::App& ip, Session& session) {
  const auto flags = std::make_shared<IpReserveFlags>();
  CLI::App* verb =
      add_verb(ip, {"reserve",
                    "Keep an address of a pool for one pod, or from everybody",
                    {"kubectl vk8s ip reserve 10.1.0.7 --note \"printer on the second floor\"",
                     "kubectl vk8s ip reserve 10.1.0.8 --for team-a/camera-0"}});
  verb->add_option("ADDRESS", flags->address, "IPv4 or IPv6, of a VNodeIPPool")->required();
  verb->add_option("--for", flags->owner,
                   "NAMESPACE/POD that may have it; of a virtual node, <node>-0 [nobody]");
  verb->add_option("--note", flags->note, "Words for people, kept with it");
  add_output_option(*verb, flags->format);
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_ip_reserve);
}

}  // namespace vk8s::cli
