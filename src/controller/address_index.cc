#include "controller/address_index.h"

namespace vk8s::controller {

kube::ObjectKey cluster_of(const api::IpAllocation& allocation) {
  if (!allocation.owner || allocation.owner->cluster.empty()) {
    return {};
  }
  return {allocation.owner->namespace_name, allocation.owner->cluster};
}

kube::ObjectKey AddressIndex::put(const api::IpAllocation& allocation) {
  const kube::ObjectKey cluster = cluster_of(allocation);
  const std::lock_guard lock(mutex_);
  // A watch that was away for a while shows only what an address is now: its record may
  // have been deleted and made again for somebody else.
  kube::ObjectKey before = forget(allocation.address);
  if (!cluster.name.empty()) {
    by_cluster_[cluster][allocation.address] = allocation;
    cluster_by_address_[allocation.address] = cluster;
  }
  return before == cluster ? kube::ObjectKey() : before;
}

void AddressIndex::erase(const api::IpAllocation& allocation) {
  const std::lock_guard lock(mutex_);
  forget(allocation.address);
}

kube::ObjectKey AddressIndex::forget(const IpAddress& address) {
  const auto known = cluster_by_address_.find(address);
  if (known == cluster_by_address_.end()) {
    return {};
  }
  kube::ObjectKey cluster = known->second;
  cluster_by_address_.erase(known);
  const auto at = by_cluster_.find(cluster);
  at->second.erase(address);
  if (at->second.empty()) {
    by_cluster_.erase(at);
  }
  return cluster;
}

void AddressIndex::set_synced() {
  const std::lock_guard lock(mutex_);
  synced_ = true;
}

bool AddressIndex::has_synced() const {
  const std::lock_guard lock(mutex_);
  return synced_;
}

std::vector<api::IpAllocation> AddressIndex::of_cluster(const kube::ObjectKey& cluster) const {
  std::vector<api::IpAllocation> out;
  const std::lock_guard lock(mutex_);
  const auto at = by_cluster_.find(cluster);
  if (at != by_cluster_.end()) {
    for (const auto& [address, allocation] : at->second) {
      out.push_back(allocation);
    }
  }
  return out;
}

}  // namespace vk8s::controller
