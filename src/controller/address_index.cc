#include "controller/address_index.h"

namespace vk8s::controller {

kube::ObjectKey cluster_of(const api::IpAllocation& allocation) {
  if (!allocation.owner || allocation.owner->cluster.empty()) {
    return {};
  }
  return {allocation.owner->namespace_name, allocation.owner->cluster};
}

void AddressIndex::put(const api::IpAllocation& allocation) {
  const kube::ObjectKey cluster = cluster_of(allocation);
  if (cluster.name.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  by_cluster_[cluster][allocation.address] = allocation;
}

void AddressIndex::erase(const api::IpAllocation& allocation) {
  const std::lock_guard lock(mutex_);
  const auto at = by_cluster_.find(cluster_of(allocation));
  if (at != by_cluster_.end()) {
    at->second.erase(allocation.address);
    if (at->second.empty()) {
      by_cluster_.erase(at);
    }
  }
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
