// What one Allocator knows, and which address it would give: the pools, the
// allocations as its watch has shown them, the addresses it is about to take, and
// those that the API server has said are taken before the watch did. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipmanager/address_runs.h"
#include "ipmanager/allocation_index.h"
#include "ipmanager/allocator.h"
#include "ipmanager/pool_book.h"

namespace vk8s::ipmanager {

// Where a new allocation may be.
struct Place {
  IpAddress address;
  std::string pool;
};

class Ledger {
 public:
  using TimePoint = Timers::TimePoint;

  // To write to.
  PoolBook& pools() {
    counts_.reset();
    return pools_;
  }
  const PoolBook& pools() const { return pools_; }
  const AllocationIndex& allocations() const { return allocations_; }

  // As AllocationIndex has them.
  std::optional<IpAddress> put(const kube::ObjectPtr& kept);
  std::optional<IpAddress> erase(const kube::ObjectPtr& kept);

  // The highest version the watch has shown: what was written up to there is known.
  std::uint64_t progress() const { return progress_; }

  // Is about to be created here, until as often unclaim()ed.
  void claim(const IpAddress& address);
  void unclaim(const IpAddress& address);
  // Is somebody's at that version, which the watch may not have shown yet. Forgotten
  // when it has, or after ten seconds.
  void hide(const IpAddress& address, std::uint64_t version, TimePoint now);
  void forget_hidden(TimePoint now);

  // Whether the wish may be granted, as far as the pools go.
  Result<Place> check_wish(const AllocationRequest& request) const;
  // A free address. Where the search begins depends on owner and attempt: replicas
  // that give to different owners seldom meet, those that give to one owner do.
  Result<Place> choose(const AllocationRequest& request, unsigned attempt) const;
  // Whether the pools let this owner have (or keep asking for) the address.
  bool allows(const AllocationRequest& request, const IpAddress& address) const;

  Result<std::vector<IpAddress>> list_free(const std::string& pool, std::size_t most) const;
  Result<Allocator::PoolState> state_of(const std::string& pool) const;

 private:
  struct Hidden {
    std::uint64_t version = 0;
    TimePoint until;
  };
  struct Counts {
    std::uint64_t allocated = 0;
    std::uint64_t outside = 0;
  };

  void note(const IpAddress& address);
  Result<std::vector<const PoolBook::Pool*>> pools_for(const AllocationRequest& request) const;
  std::optional<IpAddress> find_free(const IpRangeSet& addresses, std::uint64_t hash) const;
  void count() const;

  PoolBook pools_;
  AllocationIndex allocations_;
  std::uint64_t progress_ = 0;
  std::map<IpAddress, int> claimed_;
  std::map<IpAddress, Hidden> hidden_;
  AddressRuns taken_;  // of the three above
  // Of each pool, on demand.
  mutable std::optional<std::unordered_map<std::string, Counts>> counts_;
};

}  // namespace vk8s::ipmanager
