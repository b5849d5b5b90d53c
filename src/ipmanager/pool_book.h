// The VNodeIPPools, and what each may give: its addresses less what an earlier pool
// has first claim on, less every pool's gateway, and less the networks that Nodes
// give to pods by themselves. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/ip_pool.h"
#include "base/error.h"
#include "base/ip_range.h"
#include "base/json.h"
#include "ipmanager/allocator.h"

namespace vk8s::ipmanager {

// What spec.podCIDRs of a Node says; what is no network is passed over.
std::vector<Cidr> pod_networks_of(const Json& node);

class PoolBook {
 public:
  struct Pool {
    api::IpPool pool;                   // without ranges where it could not be read
    std::string invalid;                // why it could not; "" = it could
    IpRangeSet addresses;               // that may be given: of no other pool's
    std::vector<std::string> overlaps;  // earlier pools that it overlaps
    std::string overlapped_network;     // of a Node; "" = none

    // Why this pool gives nothing to whoever asks; "" = it may.
    std::string refusal(const AllocationRequest& request) const;
  };

  void put_pool(const Json& object);
  void remove_pool(const std::string& name);
  void put_node(const std::string& name, std::vector<Cidr> pod_networks);
  void remove_node(const std::string& name);

  // By age: the earlier has first claim.
  const std::vector<Pool>& pools() const;
  // nullptr where there is none.
  const Pool* find(std::string_view name) const;
  // The pool that may give the address; nullptr where none may.
  const Pool* holder_of(const IpAddress& address) const;
  // Why no pool may give it.
  std::string why_not(const IpAddress& address) const;

  // How a pool stands with so many of its addresses allocated, and so many
  // allocations that name it outside.
  static Allocator::PoolState state_of(const Pool& pool, std::uint64_t allocated,
                                       std::uint64_t outside);

 private:
  void refresh() const;

  std::map<std::string, Pool> by_name_;
  std::map<std::string, std::vector<Cidr>> nodes_;
  // From the two above, on demand: a burst of changes is reckoned once.
  mutable bool is_fresh_ = true;
  mutable std::vector<Pool> pools_;
};

}  // namespace vk8s::ipmanager
