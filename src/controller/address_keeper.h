// Gives the nodes of a Vk8s the addresses that they are to keep: one IPAllocation
// each, owned by the node's pod, made before the pod and given back after it.
//
// The controller needs nobody for this but the host's API server: its own allocator
// is as good a one as the ip-manager's. What a StatefulSet says of an address is
// believed while the API server is away: running clusters notice nothing.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/log.h"
#include "controller/address_index.h"
#include "controller/address_methods.h"
#include "controller/addresses.h"
#include "controller/batch_client.h"
#include "ipmanager/allocator.h"

namespace vk8s::controller {

class AddressKeeper final : public Addresses {
 public:
  struct Parts {
    ipmanager::BlockingAllocator& allocator;
    const AddressIndex& index;
    AddressMethods& methods;
    BatchClient& client;
    const World& world;
    Log log;
  };
  // All parts outlive it.
  explicit AddressKeeper(Parts parts) : parts_(std::move(parts)) {}

  Outcome ensure(Cluster& cluster, const NodeSets& sets) override;
  std::optional<Problem> release_left(const Cluster& cluster) override;
  void forget(const kube::ObjectKey& cluster) override;

  // Clusters that lack an address: a change of a pool or an allocation may help.
  std::vector<kube::ObjectKey> waiting() const;

 private:
  struct Wish;
  void provide_all(Cluster& cluster, const std::vector<Wish>& wishes, Outcome& out);
  Result<IpAddress> provide(const Cluster& cluster, const Wish& wish);
  Result<IpAddress> allocate(const Cluster& cluster, const Wish& wish);
  std::optional<api::IpAllocation> allocation_of(const Cluster& cluster, const Wish& wish);
  Status give_back(const api::IpAllocation& allocation);
  void apply_method(Cluster& cluster, const std::vector<Wish>& wishes,
                    const Result<AddressMethod*>& method, Outcome& out);
  Status check(AddressMethod& method, const Cluster& cluster, const Wish& wish,
               const IpAddress& address);
  Problem problem_of(const Cluster& cluster, const Wish& wish, const Error& error) const;
  Error explain_not_synced();

  Parts parts_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::set<kube::ObjectKey> waiting_;
};

}  // namespace vk8s::controller
