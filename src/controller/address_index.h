// Which addresses each Vk8s has, as the allocator's cache shows them: a copy by
// cluster for the reconcile workers. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "api/ip_allocation.h"
#include "kube/client.h"

namespace vk8s::controller {

// "" for what belongs to no Vk8s.
kube::ObjectKey cluster_of(const api::IpAllocation& allocation);

class AddressIndex {
 public:
  // For the handlers of the allocator. put() tells which other Vk8s had the address until
  // now; "" = none.
  kube::ObjectKey put(const api::IpAllocation& allocation);
  void erase(const api::IpAllocation& allocation);
  // All that there was at the start has been put.
  void set_synced();

  bool has_synced() const;
  // Of every Vk8s of that name: an earlier one's uid may be among them.
  std::vector<api::IpAllocation> of_cluster(const kube::ObjectKey& cluster) const;

 private:
  kube::ObjectKey forget(const IpAddress& address);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, std::map<IpAddress, api::IpAllocation>> by_cluster_;
  std::map<IpAddress, kube::ObjectKey> cluster_by_address_;
  bool synced_ = false;
};

}  // namespace vk8s::controller
