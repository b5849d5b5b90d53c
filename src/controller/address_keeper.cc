#include "controller/address_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/object_writer.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

// Changes wake a waiting cluster; this is for what nobody tells.
constexpr seconds kRetryTransient{2};
constexpr seconds kRetryRefused{10};

api::IpOwner owner_of(const Cluster& cluster, const api::NodeSpec& node) {
  return {cluster.namespace_name(), pod_of(node.name), cluster.name(), cluster.vk8s.metadata.uid,
          node.name};
}

std::string template_annotation(const Json& stateful_set, std::string_view name) {
  const JsonObject* annotations =
      base::get_object(stateful_set, "spec.template.metadata.annotations");
  const Json* value =
      annotations == nullptr ? nullptr : annotations->if_contains({name.data(), name.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// A network inside that holds the address of a node could not reach that node.
Status check_networks(const Cluster& cluster, const IpAddress& address) {
  const auto& spec = cluster.vk8s.spec;
  for (const auto& [field, network] : {std::pair("podNetworkCidr", spec.pod_network_cidr),
                                       std::pair("serviceCidr", spec.service_cidr)}) {
    const auto cidr = Cidr::parse(network);
    if (cidr && cidr->contains(address)) {
      return fail(Errc::kInvalidArgument,
                  "{} lies in spec.kubernetes.{} {} of the cluster itself: create the cluster with "
                  "another network, or with addresses of another VNodeIPPool",
                  address.to_string(), field, network);
    }
  }
  return {};
}

}  // namespace

// One node that wants an address.
struct AddressKeeper::Wish {
  const api::NodeSpec* node = nullptr;
  std::optional<IpAddress> address;  // this one and no other
  World::Object set;                 // its StatefulSet; null = none yet

  // What its pods have been made with so far.
  std::optional<IpAddress> kept() const {
    const auto kept = set ? IpAddress::parse(template_annotation(*set, api::kIpAnnotation))
                          : Result<IpAddress>(fail(Errc::kNotFound, "no StatefulSet"));
    return kept ? std::optional(*kept) : std::nullopt;
  }
  // Whether writing the StatefulSet would make it, or make its pod.
  bool starts(const Cluster& cluster) const {
    return !set || (!cluster.paused && base::get_int(*set, "spec.replicas") == 0);
  }
};

AddressKeeper::Outcome AddressKeeper::ensure(Cluster& cluster, const NodeSets& sets) {
  Outcome out;
  std::vector<Wish> wishes;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    if (cluster.vk8s.wants_address(node)) {
      const auto set = sets.find(node.name);
      const auto address = IpAddress::parse(node.ip);
      wishes.push_back({&node, address ? std::optional(*address) : std::nullopt,
                        set == sets.end() ? nullptr : set->second});
    }
  }
  if (!wishes.empty()) {
    // Named ones first and in their order: of two clusters that want the same ones, the
    // second then waits with none of them, and they do not wait for each other.
    std::stable_sort(wishes.begin(), wishes.end(), [](const Wish& a, const Wish& b) {
      return a.address && (!b.address || *a.address < *b.address);
    });
    provide_all(cluster, wishes, out);
  }
  if (out.problem && sets.contains(cluster.vk8s.master().name)) {
    out.problem->phase = {};  // what is there runs on
  }
  const std::lock_guard lock(mutex_);
  if (out.problem) {
    waiting_.insert(key_of(cluster));
  } else {
    waiting_.erase(key_of(cluster));
  }
  return out;
}

void AddressKeeper::provide_all(Cluster& cluster, const std::vector<Wish>& wishes, Outcome& out) {
  const Result<AddressMethod*> method = parts_.methods.choose();
  for (const Wish& wish : wishes) {
    Result<IpAddress> address = fail(Errc::kUnavailable, "another node lacks its address");
    if (const auto mine = allocation_of(cluster, wish)) {
      address = mine->address;
    } else if (!method && wish.starts(cluster)) {
      // Before anything is taken for it.
      address = tl::unexpected<Error>(method.error());
    } else if (!out.problem) {
      address = provide(cluster, wish);
    }
    if (address) {
      if (const Status inside = check_networks(cluster, *address); !inside) {
        address = tl::unexpected<Error>(inside.error());
      }
    }
    if (!address && !out.problem) {
      out.problem = problem_of(cluster, wish, address.error());
    }
    if (!address && wish.starts(cluster)) {
      cluster.held_back.insert(wish.node->name);
    }
    // Its StatefulSet stays as it is, whatever has become of the allocation.
    const auto known = address ? std::optional(*address) : wish.kept();
    if (known) {
      cluster.addresses[wish.node->name].address = *known;
    }
  }
  apply_method(cluster, wishes, method, out);
}

// The allocation that the node has, if it is what the node wants.
std::optional<api::IpAllocation> AddressKeeper::allocation_of(const Cluster& cluster,
                                                              const Wish& wish) {
  const api::IpOwner owner = owner_of(cluster, *wish.node);
  std::vector<api::IpAllocation> mine = parts_.index.of_cluster(key_of(cluster));
  std::erase_if(mine, [&](const api::IpAllocation& each) {
    return each.releasing || !each.owner->is_same(owner);
  });
  if (mine.size() > 1) {
    // Two have given it one at once: which of them stands is the allocator's to say.
    mine = parts_.allocator.find_by_owner(owner);
  }
  if (mine.empty() || mine.front().releasing ||
      (wish.address && *wish.address != mine.front().address)) {
    return std::nullopt;
  }
  return mine.front();
}

Result<IpAddress> AddressKeeper::provide(const Cluster& cluster, const Wish& wish) {
  if (!parts_.index.has_synced()) {
    const auto kept = wish.kept();
    if (kept && (!wish.address || *wish.address == *kept)) {
      return *kept;
    }
    return tl::unexpected<Error>(explain_not_synced());
  }
  if (wish.address) {
    VK8S_TRY(check_networks(cluster, *wish.address));
  }
  return allocate(cluster, wish);
}

Result<IpAddress> AddressKeeper::allocate(const Cluster& cluster, const Wish& wish) {
  ipmanager::AllocationRequest request;
  request.owner = owner_of(cluster, *wish.node);
  // A node of this name that was there before may still have another one.
  for (const api::IpAllocation& each : parts_.index.of_cluster(key_of(cluster))) {
    if (wish.address && each.owner->is_same(*request.owner) && !each.releasing &&
        each.address != *wish.address) {
      VK8S_TRY(give_back(each));
    }
  }
  const auto kept = wish.kept();
  request.address = wish.address ? wish.address : kept;
  // An address that the node has had may lie in no pool of today.
  request.pool = request.address && request.address == kept ? "" : cluster.vk8s.spec.ip_pool;
  request.cluster_labels = cluster.vk8s.metadata.labels;
  const auto allocation = parts_.allocator.allocate(std::move(request));
  if (!allocation) {
    return tl::unexpected<Error>(allocation.error());
  }
  parts_.log.info("address", {{"node", wish.node->name},
                              {"vk8s", cluster.namespace_name() + "/" + cluster.name()},
                              {"address", allocation->address.to_string()}});
  return allocation->address;
}

// What the pods must carry, and whether they can be made now.
void AddressKeeper::apply_method(Cluster& cluster, const std::vector<Wish>& wishes,
                                 const Result<AddressMethod*>& method, Outcome& out) {
  for (const Wish& wish : wishes) {
    const auto at = cluster.addresses.find(wish.node->name);
    if (at == cluster.addresses.end()) {
      continue;
    }
    Status possible;
    if (method) {
      at->second.annotations = (*method)->annotations(at->second.address);
      possible = check(**method, cluster, wish, at->second.address);
    } else if (wish.starts(cluster)) {
      possible = tl::unexpected<Error>(method.error());
    } else if (auto old = template_annotation(*wish.set, calico::kAddressesAnnotation);
               !old.empty()) {
      // Whatever the host is now: a running pod is not replaced for it.
      at->second.annotations[std::string(calico::kAddressesAnnotation)] = std::move(old);
    }
    if (!possible && wish.starts(cluster)) {
      cluster.held_back.insert(wish.node->name);
    }
    if (!possible && !out.problem) {
      out.problem = problem_of(cluster, wish, possible.error());
    }
  }
  if (method) {
    out.limits = (*method)->limits();
  }
}

Status AddressKeeper::check(AddressMethod& method, const Cluster& cluster, const Wish& wish,
                            const IpAddress& address) {
  if (cluster.paused) {
    return {};
  }
  const kube::ObjectKey key{cluster.namespace_name(), pod_of(wish.node->name)};
  if (wish.starts(cluster)) {
    return method.check(key, address, false);
  }
  // A pod that its StatefulSet has made again: kubelet goes on trying.
  const World::Object pod = parts_.world.get(kube::resources::kPod, key);
  const bool waits = pod && base::find(*pod, "metadata.deletionTimestamp") == nullptr &&
                     base::get_string(*pod, "status.podIP").value_or("").empty();
  return waits ? method.check(key, address, true) : Status();
}

Problem AddressKeeper::problem_of(const Cluster& cluster, const Wish& wish,
                                  const Error& error) const {
  const std::string where =
      wish.address ? fmt::format("spec.nodes[].ip {} of node \"{}\"", wish.address->to_string(),
                                 wish.node->name)
                   : fmt::format("spec.network.staticIPs: node \"{}\"", wish.node->name);
  Problem out;
  out.reason = reason::kAddressUnavailable;
  out.message = fmt::format("{}: {}", where, error.message());
  const bool is_transient = error.is_retryable();
  out.retry_after = is_transient ? kRetryTransient : kRetryRefused;
  const auto others = parts_.index.of_cluster(key_of(cluster));
  const bool leaves = std::any_of(others.begin(), others.end(), [&](const auto& each) {
    return wish.address == each.address && each.owner->cluster_uid != cluster.vk8s.metadata.uid;
  });
  if (leaves) {
    out.message = fmt::format(
        "{}: it still belongs to an earlier Vk8s of this name: waiting until "
        "that one's pods are gone",
        where);
    out.retry_after = kRetryTransient;
  }
  out.phase = is_transient || leaves ? api::phase::kWaiting : api::phase::kFail;
  return out;
}

Error AddressKeeper::explain_not_synced() {
  const auto served = parts_.client.run_one([](kube::Client& client, kube::Client::Callback done) {
    return client.list(kube::resources::kIPAllocation, "", {.limit = 1}, std::move(done));
  });
  if (!served && served.error().code() == Errc::kNotFound) {
    return {Errc::kUnsupported,
            "the host does not know the kinds VNodeIPPool and IPAllocation: install this version's "
            "config/crd (install.sh does)"};
  }
  return {Errc::kUnavailable,
          fmt::format("the addresses that are taken are not known yet{}",
                      served ? std::string() : ": " + served.error().message())};
}

// What has come to somebody else meanwhile is given back.
Status AddressKeeper::give_back(const api::IpAllocation& allocation) {
  Status released =
      parts_.allocator.release(allocation.address, ipmanager::Expect::holder_of(allocation));
  return !released && released.error().code() == Errc::kAlreadyExists ? Status() : released;
}

std::optional<Problem> AddressKeeper::release_left(const Cluster& cluster) {
  for (const api::IpAllocation& each : parts_.index.of_cluster(key_of(cluster))) {
    const api::IpOwner& owner = *each.owner;
    if (each.releasing || owner.cluster_uid != cluster.vk8s.metadata.uid ||
        cluster.vk8s.find_node(owner.node) != nullptr ||
        parts_.world.get(kube::resources::kStatefulSet, {owner.namespace_name, owner.node}) ||
        parts_.world.get(kube::resources::kPod, {owner.namespace_name, owner.pod})) {
      continue;
    }
    if (const Status released = give_back(each); !released) {
      return write_problem(released.error());
    }
    parts_.log.info("address given back", {{"node", owner.node},
                                           {"vk8s", owner.namespace_name + "/" + owner.cluster},
                                           {"address", each.address.to_string()}});
  }
  return std::nullopt;
}

void AddressKeeper::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(cluster);
}

std::vector<kube::ObjectKey> AddressKeeper::waiting() const {
  const std::lock_guard lock(mutex_);
  return {waiting_.begin(), waiting_.end()};
}

}  // namespace vk8s::controller
