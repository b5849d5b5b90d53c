#include "cli/address_checks.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/clean_text.h"

namespace vk8s::cli {
namespace {

constexpr std::string_view kByItself =
    "the controller or the ip-manager does this within seconds: if it stays, see whether one of "
    "them runs; or kubectl vk8s ip check --repair";

// As it is: not to be shown.
std::string annotation_of(const Json& object, std::string_view name) {
  const JsonObject* annotations = base::get_object(object, "metadata.annotations");
  const Json* value =
      annotations == nullptr ? nullptr : annotations->if_contains({name.data(), name.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Everything by what it is looked up by.
class Index {
 public:
  explicit Index(const AddressRecords& records) : records_(records) {
    for (const ListedAllocation& each : records.allocations.items) {
      allocations_[each.allocation.address.to_string()] = &each.allocation;
    }
    for (const AddressedPod& pod : records.pods) {
      pods_[pod.to_string()] = &pod;
      for (const std::string& address : pod.has_ended ? std::vector<std::string>() : pod.actual) {
        by_address_.emplace(address, &pod);
      }
      if (!pod.has_ended && !pod.wanted.empty()) {
        by_wish_.emplace(pod.wanted, &pod);
      }
    }
    for (const api::Vk8s& cluster : records.clusters) {
      clusters_[cluster.metadata.namespace_name + "/" + cluster.metadata.name] = &cluster;
    }
  }

  const api::IpAllocation* allocation(const std::string& address) const {
    return find(allocations_, address);
  }
  const AddressedPod* pod(const std::string& name) const { return find(pods_, name); }
  const api::Vk8s* cluster(const api::IpOwner& owner) const {
    const api::Vk8s* found = find(clusters_, owner.namespace_name + "/" + owner.cluster);
    return found != nullptr && found->metadata.uid == owner.cluster_uid ? found : nullptr;
  }
  // A pod that has the address, or is to have it; nullptr = none.
  const AddressedPod* user_of(const std::string& address) const {
    const AddressedPod* user = find(by_address_, address);
    return user != nullptr ? user : find(by_wish_, address);
  }
  const AddressedPod* holder_of(const std::string& address) const {
    return find(by_address_, address);
  }

 private:
  template <class Map>
  static typename Map::mapped_type find(const Map& map, const std::string& key) {
    const auto at = map.find(key);
    return at == map.end() ? nullptr : at->second;
  }

  const AddressRecords& records_;
  std::map<std::string, const api::IpAllocation*> allocations_;
  std::map<std::string, const AddressedPod*> pods_;
  std::map<std::string, const AddressedPod*> by_address_;
  std::map<std::string, const AddressedPod*> by_wish_;
  std::map<std::string, const api::Vk8s*> clusters_;
};

class Checks {
 public:
  explicit Checks(const AddressRecords& records) : records_(records), index_(records) {}

  std::vector<AddressFinding> run() {
    check_readable();
    for (const ListedAllocation& each : records_.allocations.items) {
      check_pool(each.allocation);
      if (each.allocation.releasing) {
        check_releasing(each.allocation);
      } else if (each.allocation.owner) {
        check_owner(each.allocation, *each.allocation.owner);
      }
    }
    check_crowded();
    for (const AddressedPod& pod : records_.pods) {
      if (!pod.has_ended) {
        check_pod(pod);
      }
    }
    for (const HeldAddress& each : records_.held) {
      check_held(each);
    }
    for (const CalicoAddress& each : records_.calico) {
      check_calico(each);
    }
    return std::move(found_);
  }

 private:
  void add(Finding finding) { found_.push_back({std::move(finding), Repair::kNone, {}}); }
  void add(Finding finding, Repair repair, const api::IpAllocation& allocation) {
    found_.push_back({std::move(finding), repair, allocation});
  }

  void check_readable() {
    for (const std::string& trouble : records_.allocations.unreadable) {
      add(bad("IPAllocation", trouble, "delete it: kubectl delete ipallocation NAME"));
    }
    for (const std::string& trouble : records_.pools.unreadable) {
      add(bad("VNodeIPPool", trouble, "mend its spec: until then it gives nothing"));
    }
    for (const auto& [key, trouble] : records_.unreadable_clusters) {
      add(warn(fmt::format("Vk8s {}/{}", key.namespace_name, key.name), trouble,
               "its addresses are left as they are: see whether this program is of its version"));
    }
    if (!records_.calico_trouble.empty()) {
      add(warn("IPAMBlocks", records_.calico_trouble,
               "what Calico has is not compared: ask for the right to list them"));
    }
    for (const std::string& trouble : records_.unreadable_nodes) {
      add(warn("Node", trouble, "see whether what serves vk8s-ipam on it is of this version"));
    }
  }

  bool is_in_pool(const IpAddress& address) const {
    const auto& pools = records_.pools.items;
    return std::any_of(pools.begin(), pools.end(),
                       [&](const api::IpPool& pool) { return pool.addresses.contains(address); });
  }

  void check_pool(const api::IpAllocation& allocation) {
    if (!is_in_pool(allocation.address)) {
      add(warn(allocation.address.to_string(),
               fmt::format("has {}, and lies outside every pool", holder_of(allocation)),
               "it stays with its owner; enlarge a VNodeIPPool, or remove the owner"));
    }
  }

  void check_releasing(const api::IpAllocation& allocation) {
    const std::string address = allocation.address.to_string();
    if (index_.user_of(address) == nullptr) {
      add(bad(address, "is given back and no pod has it, but its record is still there",
              std::string(kByItself)),
          Repair::kDelete, allocation);
    }
  }

  void check_owner(const api::IpAllocation& allocation, const api::IpOwner& owner) {
    if (owner.cluster.empty()) {
      return;  // a pod that may come, whenever
    }
    if (records_.unreadable_clusters.contains({owner.namespace_name, owner.cluster})) {
      return;
    }
    const std::string address = allocation.address.to_string();
    const api::Vk8s* cluster = index_.cluster(owner);
    const bool is_used = index_.pod(owner.to_string()) != nullptr || index_.user_of(address);
    if (cluster == nullptr && !is_used) {
      add(bad(address, fmt::format("has {}, and that Vk8s is gone", holder_of(allocation)),
              std::string(kByItself)),
          Repair::kReleaseLeft, allocation);
    } else if (cluster != nullptr && cluster->find_node(owner.node) == nullptr && !is_used) {
      add(bad(address, fmt::format("has {}, and that node has left", holder_of(allocation)),
              std::string(kByItself)),
          Repair::kReleaseLeft, allocation);
    }
  }

  // Two for one owner: all but the one that stands are to go.
  void check_crowded() {
    std::map<std::string, std::vector<const api::IpAllocation*>> by_owner;
    for (const ListedAllocation& each : records_.allocations.items) {
      if (each.allocation.owner && !each.allocation.releasing) {
        const api::IpOwner& owner = *each.allocation.owner;
        by_owner[owner.to_string() + " " + owner.cluster_uid].push_back(&each.allocation);
      }
    }
    for (const auto& [owner, allocations] : by_owner) {
      if (allocations.size() < 2) {
        continue;
      }
      const auto is_used = [this](const api::IpAllocation* each) {
        return index_.user_of(each->address.to_string()) != nullptr;
      };
      // Which of several stands without a pod is for the allocators to say.
      const bool one_is_used = std::count_if(allocations.begin(), allocations.end(), is_used) == 1;
      for (const api::IpAllocation* each : allocations) {
        if (is_used(each)) {
          continue;
        }
        add(bad(each->address.to_string(),
                fmt::format("is one of {} addresses of {}", allocations.size(), holder_of(*each)),
                std::string(kByItself)),
            one_is_used ? Repair::kRelease : Repair::kNone, *each);
      }
    }
  }

  void check_pod(const AddressedPod& pod) {
    const std::string subject = "pod " + pod.to_string();
    if (pod.wanted.empty()) {
      for (const std::string& address : pod.actual) {
        check_stray(pod, address);
      }
      return;
    }
    const api::IpAllocation* allocation = index_.allocation(pod.wanted);
    if (allocation == nullptr) {
      add(bad(subject, fmt::format("is to have {}, which nobody has reserved", pod.wanted),
              fmt::format("a virtual node's is made by the controller; else: kubectl vk8s ip "
                          "reserve {} --for {}",
                          pod.wanted, pod.to_string())));
    } else if (!allocation->owner || allocation->owner->to_string() != pod.to_string()) {
      add(bad(subject,
              fmt::format("is to have {}, which has {}", pod.wanted, holder_of(*allocation)),
              "give the pod another address, or release that one"));
    }
    const bool has_it =
        std::find(pod.actual.begin(), pod.actual.end(), pod.wanted) != pod.actual.end();
    if (!pod.actual.empty() && !has_it) {
      add(bad(subject,
              fmt::format("has {} instead of {}: the network of node {} has not given it that",
                          pod.actual.front(), pod.wanted, pod.node),
              "see docs/static-addresses.md, then delete the pod"));
    }
  }

  // A pod that asked for nothing and has what is somebody's.
  void check_stray(const AddressedPod& pod, const std::string& address) {
    const api::IpAllocation* allocation = index_.allocation(address);
    if (allocation != nullptr) {
      add(bad("pod " + pod.to_string(),
              fmt::format("has {}, which has {}", address, holder_of(*allocation)),
              "the host's own IPAM gives addresses of a VNodeIPPool: exclude them there, then "
              "delete the pod"));
    }
  }

  void check_held(const HeldAddress& held) {
    const AddressedPod* pod = index_.pod(held.pod);
    std::string what;
    if (pod == nullptr) {
      what = fmt::format("is held on node {} for pod {}, which is gone", held.node, held.pod);
    } else if (!pod->node.empty() && pod->node != held.node) {
      what = fmt::format("is held on node {} for pod {}, which is on node {}", held.node, held.pod,
                         pod->node);
    } else if (index_.allocation(held.address) == nullptr) {
      what = fmt::format("is held on node {} by pod {}, and nobody has reserved it", held.node,
                         held.pod);
    } else {
      return;
    }
    add(bad(held.address, std::move(what),
            "the node lets go once the network namespace is gone: if it stays, see the log of what "
            "serves vk8s-ipam there"));
  }

  // Calico's records are Calico's: nothing of this is repaired here.
  void check_calico(const CalicoAddress& each) {
    const api::IpAllocation* allocation = index_.allocation(each.address);
    const auto address = IpAddress::parse(each.address);
    if (allocation == nullptr) {
      if (address && is_in_pool(*address)) {
        add(bad(each.address,
                fmt::format("is of a VNodeIPPool, and Calico has given it to {}", each.holder),
                "IPReservation vk8s-reservation keeps Calico's IPAM off: see whether the "
                "controller runs, then delete that pod"));
      }
      return;
    }
    const bool is_owner = allocation->owner && allocation->owner->to_string() == each.pod;
    if (!is_owner) {
      add(bad(
          each.address,
          fmt::format("has {}, and Calico has given it to {}", holder_of(*allocation), each.holder),
          "delete that pod; its owner's starts once Calico has taken the address back"));
    } else if (index_.pod(each.pod) == nullptr) {
      add(warn(each.address,
               fmt::format("is still with {} for Calico, and that is gone", each.holder),
               fmt::format("Calico takes it back by itself; if it stays: calicoctl ipam release "
                           "--ip={}",
                           each.address)));
    }
  }

  const AddressRecords& records_;
  Index index_;
  std::vector<AddressFinding> found_;
};

}  // namespace

AddressedPod parse_addressed_pod(const Json& pod) {
  AddressedPod out;
  out.namespace_name = clean_field(pod, "metadata.namespace");
  out.name = clean_field(pod, "metadata.name");
  out.node = clean_field(pod, "spec.nodeName");
  out.wanted = base::printable(annotation_of(pod, api::kIpAnnotation), 45);
  const std::string phase = clean_field(pod, "status.phase", 32);
  out.has_ended = phase == "Succeeded" || phase == "Failed";
  // Of the host's network are no addresses of pods.
  if (base::get_bool(pod, "spec.hostNetwork").value_or(false)) {
    return out;
  }
  const JsonArray* all = base::get_array(pod, "status.podIPs");
  for (const Json& each : all == nullptr ? JsonArray() : *all) {
    out.actual.push_back(clean_field(each, "ip", 45));
  }
  if (const std::string one = clean_field(pod, "status.podIP", 45);
      out.actual.empty() && !one.empty()) {
    out.actual.push_back(one);
  }
  return out;
}

std::vector<HeldAddress> parse_held_addresses(const Json& node,
                                              std::vector<std::string>& unreadable) {
  std::vector<HeldAddress> out;
  const std::string text = annotation_of(node, api::kHeldIpsAnnotation);
  if (text.empty()) {
    return out;
  }
  const std::string name = clean_field(node, "metadata.name");
  const auto list = base::parse_json(text);
  if (!list || !list->is_array()) {
    unreadable.push_back(
        fmt::format("{}: annotation {} is no list", name, api::kHeldIpsAnnotation));
    return out;
  }
  for (const Json& each : list->get_array()) {
    HeldAddress held{name, clean_field(each, "ip", 45), clean_field(each, "pod", 320)};
    if (!held.address.empty()) {
      out.push_back(std::move(held));
    }
  }
  return out;
}

std::vector<CalicoAddress> parse_calico_block(const Json& block) {
  std::vector<CalicoAddress> out;
  const auto cidr = Cidr::parse(base::get_string(block, "spec.cidr").value_or(""));
  const JsonArray* allocations = base::get_array(block, "spec.allocations");
  const JsonArray* attributes = base::get_array(block, "spec.attributes");
  if (!cidr || allocations == nullptr || base::get_bool(block, "spec.deleted").value_or(false)) {
    return out;
  }
  for (std::size_t i = 0; i < allocations->size(); ++i) {
    const auto address = cidr->network().plus(i);
    if (!address || !cidr->contains(*address)) {
      break;
    }
    if (!(*allocations)[i].is_int64()) {
      continue;
    }
    const std::int64_t index = (*allocations)[i].get_int64();
    const bool is_known = attributes != nullptr && index >= 0 &&
                          static_cast<std::uint64_t>(index) < attributes->size();
    const Json attribute = is_known ? (*attributes)[static_cast<std::size_t>(index)] : Json();
    CalicoAddress each{address->to_string(), "", "handle " + clean_field(attribute, "handle_id")};
    if (const std::string pod = clean_field(attribute, "secondary.pod"); !pod.empty()) {
      each.pod = clean_field(attribute, "secondary.namespace") + "/" + pod;
      each.holder =
          fmt::format("pod {} on node {}", each.pod, clean_field(attribute, "secondary.node"));
    }
    out.push_back(std::move(each));
  }
  return out;
}

std::vector<AddressFinding> check_addresses(const AddressRecords& records) {
  return Checks(records).run();
}

}  // namespace vk8s::cli
