// Gives addresses of the VNodeIPPools to pods, and takes them back.
//
// Any number of allocators in any number of processes may work at once: there is no
// leader and no lock. An address is one IPAllocation object whose name it is, so the
// API server refuses the second who creates it. That a pod gets one address only
// follows from the order in which the API server shows its objects: whoever has
// created one waits until its own watch has shown it, and by then has seen all that
// was created before. Of several for one pod the first created stands; each of the
// others is deleted by who created it, or by the Sweeper if that one has died.
//
// Source of the idea that a watch is ordered by resourceVersion: KEP-5504.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/ip_allocation.h"
#include "api/ip_pool.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

class AllocationIndex;

struct AllocationRequest {
  // Nobody: a reservation; `address` must be given then.
  std::optional<api::IpOwner> owner;
  std::optional<IpAddress> address;  // this one and no other
  std::string pool;                  // of this pool only; "" = any that allows the owner
  std::map<std::string, std::string> cluster_labels;  // of the owner's Vk8s
  std::string note;
  // Takes what is reserved for nobody, if the reservation is still of this resourceVersion
  // ("" = of any). `owner` and `address` are given then, and keep its note.
  std::optional<std::string> reservation;
  // Of what `owner` has: only if it is still of this one ("" = of any).
  std::string resource_version;
};

// What an address must be to be given back. It is compared by the API server, with what it
// is when the write arrives.
struct Expect {
  struct Anybody {};
  struct Nobody {};  // it is reserved
  std::variant<Anybody, Nobody, api::IpOwner> holder;
  std::string resource_version;  // still this one; "" = any
  // Not of a node that its Vk8s still has: that one would take it again.
  bool is_of_no_living_node = false;

  static Expect anybody() { return {}; }
  // Whoever an allocation says: its owner, or nobody.
  static Expect holder_of(const api::IpAllocation& allocation);
  static Expect owner(api::IpOwner owner);
  // As far as the allocation tells.
  bool is_met_by(const api::IpAllocation& allocation) const;
};

class Allocator {
 public:
  using Callback = std::function<void(Result<api::IpAllocation>)>;
  using ReleaseCallback = std::function<void(Status)>;

  // What is passed in outlives it. On the loop's thread, all of it.
  Allocator(Timers& timers, kube::Client& client, Log log);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  void start();
  void stop();
  void when_synced(std::function<void()> callback);
  bool has_synced() const;

  // Idempotent: a pod that has an address gets that one again (its release, if one was
  // begun, is undone). Errors name the field or object and what to do:
  //   kInvalidArgument  the address is in no pool, excluded, or the pool does not allow it
  //   kAlreadyExists    taken by somebody else, who is named; or the pod has another one
  //   kExhausted        no pool that allows the owner has an address left
  //   kNotFound         no such pool, or reservation
  //   kConflict         the allocation has been written to since
  //   kUnavailable      the API server is away: nothing is known; ask again
  void allocate(AllocationRequest request, Callback callback);

  // Marks it as given back: it is free once no pod has it, which the Sweeper sees to. Gone
  // already: success. Errors, which leave it as it is:
  //   kAlreadyExists    somebody else has it than expected, or a node that there is
  //   kConflict         it has been written to since
  //   kUnavailable      the API server is away: ask again
  void release(const IpAddress& address, Expect expect, ReleaseCallback callback);

  // By the cache. -----------------------------------------------------------------
  std::optional<api::IpAllocation> find(const IpAddress& address) const;
  // Of the pod, releasing ones too; the one that stands first.
  std::vector<api::IpAllocation> find_by_owner(const api::IpOwner& owner) const;
  std::vector<api::IpAllocation> list() const;
  // By age: the earlier has first claim. What could not be read has no ranges.
  std::vector<api::IpPool> pools() const;
  // Whether a pool may give it, or would, if nobody had it; and which. kNotFound says why
  // none may.
  bool is_in_pool(const IpAddress& address) const;
  Result<std::string> pool_of(const IpAddress& address) const;
  // At most so many addresses that nobody has, of one pool or ("") of all, in order.
  Result<std::vector<IpAddress>> list_free(const std::string& pool, std::size_t most) const;

  // How a pool stands: what VNodeIPPool.status says.
  struct PoolState {
    std::uint64_t capacity = 0;   // addresses that may be given
    std::uint64_t allocated = 0;  // of them
    std::uint64_t outside = 0;    // allocations that name this pool and lie outside it now
    std::string reason;           // "Ready", "Invalid", "Overlap", "OverlapsNodes", "Exhausted"
    std::string message;
  };
  // kNotFound.
  Result<PoolState> pool_state(const std::string& pool) const;

  // Told after each change of a pool or an allocation; empty ones are skipped.
  struct Handlers {
    std::function<void(const std::string& pool)> on_pool;
    std::function<void(const api::IpAllocation&)> on_allocation;  // there, or changed
    std::function<void(const api::IpAllocation&)> on_released;    // gone
  };
  // Before start().
  void add_handlers(Handlers handlers);

  // For the Sweeper.
  const AllocationIndex& index() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same, waiting. Any thread but the loop's.
class BlockingAllocator {
 public:
  // Both outlive it.
  BlockingAllocator(EventLoop& loop, Allocator& allocator,
                    std::chrono::milliseconds timeout = std::chrono::seconds(30));

  Result<api::IpAllocation> allocate(AllocationRequest request);
  Status release(const IpAddress& address, Expect expect);
  std::vector<api::IpAllocation> find_by_owner(const api::IpOwner& owner);

 private:
  EventLoop& loop_;
  Allocator& allocator_;
  std::chrono::milliseconds timeout_;
};

}  // namespace vk8s::ipmanager
