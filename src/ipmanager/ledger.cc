#include "ipmanager/ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace vk8s::ipmanager {
namespace {

constexpr auto kHiddenFor = std::chrono::seconds(10);

// Spreads the bits of both (splitmix64).
std::uint64_t mix(std::uint64_t hash, unsigned attempt) {
  std::uint64_t out = hash + attempt * 0x9e3779b97f4a7c15ULL;
  out = (out ^ (out >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  out = (out ^ (out >> 27U)) * 0x94d049bb133111ebULL;
  return out ^ (out >> 31U);
}

std::uint64_t version_of_object(const kube::ObjectPtr& object) {
  return version_of(base::get_string(*object, "metadata.resourceVersion").value_or(""));
}

}  // namespace

void Ledger::note(const IpAddress& address) {
  if (allocations_.contains(address) || claimed_.contains(address) || hidden_.contains(address)) {
    taken_.add(address);
  } else {
    taken_.remove(address);
  }
}

std::optional<IpAddress> Ledger::put(const kube::ObjectPtr& kept) {
  progress_ = std::max(progress_, version_of_object(kept));
  const auto address = allocations_.put(kept);
  if (address) {
    counts_.reset();
    note(*address);
  }
  return address;
}

std::optional<IpAddress> Ledger::erase(const kube::ObjectPtr& kept) {
  const auto address = allocations_.erase(kept);
  if (address) {
    counts_.reset();
    note(*address);
  }
  return address;
}

void Ledger::claim(const IpAddress& address) {
  ++claimed_[address];
  note(address);
}

void Ledger::unclaim(const IpAddress& address) {
  const auto found = claimed_.find(address);
  if (found != claimed_.end() && --found->second == 0) {
    claimed_.erase(found);
    note(address);
  }
}

void Ledger::hide(const IpAddress& address, std::uint64_t version, TimePoint now) {
  if (version > progress_) {
    hidden_[address] = {.version = version, .until = now + kHiddenFor};
    note(address);
  }
}

void Ledger::forget_hidden(TimePoint now) {
  for (auto at = hidden_.begin(); at != hidden_.end();) {
    if (at->second.version > progress_ && now < at->second.until) {
      ++at;
      continue;
    }
    const IpAddress address = at->first;
    at = hidden_.erase(at);
    note(address);
  }
}

bool Ledger::allows(const AllocationRequest& request, const IpAddress& address) const {
  const PoolBook::Pool* pool = pools_.holder_of(address);
  return pool != nullptr && pool->refusal(request).empty() &&
         (request.pool.empty() || request.pool == pool->pool.name);
}

Result<Place> Ledger::check_wish(const AllocationRequest& request) const {
  if (!request.address) {
    return fail(Errc::kInvalidArgument,
                "address is not given: only a pod may be given any address there is");
  }
  const IpAddress& address = *request.address;
  if (!request.pool.empty() && pools_.find(request.pool) == nullptr) {
    return fail(Errc::kNotFound, "there is no VNodeIPPool {}", request.pool);
  }
  const PoolBook::Pool* pool = pools_.holder_of(address);
  if (pool == nullptr) {
    return fail(Errc::kInvalidArgument, "address {}", pools_.why_not(address));
  }
  if (!request.pool.empty() && request.pool != pool->pool.name) {
    return fail(Errc::kInvalidArgument, "address {} is not of VNodeIPPool {} but of {}",
                address.to_string(), request.pool, pool->pool.name);
  }
  if (const std::string refusal = pool->refusal(request); !refusal.empty()) {
    return fail(Errc::kInvalidArgument, "address {}: {}", address.to_string(), refusal);
  }
  return Place{.address = address, .pool = pool->pool.name};
}

Result<std::vector<const PoolBook::Pool*>> Ledger::pools_for(
    const AllocationRequest& request) const {
  std::vector<const PoolBook::Pool*> out;
  if (!request.pool.empty()) {
    const PoolBook::Pool* pool = pools_.find(request.pool);
    if (pool == nullptr) {
      return fail(Errc::kNotFound, "there is no VNodeIPPool {}", request.pool);
    }
    if (const std::string refusal = pool->refusal(request); !refusal.empty()) {
      return fail(Errc::kInvalidArgument, "{}", refusal);
    }
    out.push_back(pool);
    return out;
  }
  for (const PoolBook::Pool& pool : pools_.pools()) {
    if (pool.refusal(request).empty()) {
      out.push_back(&pool);
    }
  }
  if (out.empty()) {
    return fail(Errc::kExhausted,
                "no VNodeIPPool gives addresses to {}: make one whose spec.namespaces and "
                "spec.clusterSelector allow it",
                request.owner ? request.owner->to_string() : "nobody");
  }
  return out;
}

std::optional<IpAddress> Ledger::find_free(const IpRangeSet& addresses, std::uint64_t hash) const {
  const std::uint64_t size = addresses.size();
  if (size == 0) {
    return std::nullopt;
  }
  const auto start = addresses.nth(hash % size);
  if (!start) {
    return std::nullopt;
  }
  const std::vector<IpRange>& ranges = addresses.ranges();
  const auto first = static_cast<std::size_t>(
      std::find_if(ranges.begin(), ranges.end(),
                   [&](const IpRange& range) { return range.contains(*start); }) -
      ranges.begin());
  // Once around: the range it begins in comes last again, for what lies before.
  for (std::size_t i = 0; i <= ranges.size(); ++i) {
    const IpRange& range = ranges[(first + i) % ranges.size()];
    if (const auto free = taken_.next_free(i == 0 ? *start : range.first(), range.last())) {
      return free;
    }
  }
  return std::nullopt;
}

Result<Place> Ledger::choose(const AllocationRequest& request, unsigned attempt) const {
  const std::uint64_t hash = mix(request.owner ? hash_of(*request.owner) : 0, attempt);
  const auto pools = VK8S_TRY(pools_for(request));
  std::string names;
  for (const PoolBook::Pool* pool : pools) {
    if (const auto address = find_free(pool->addresses, hash)) {
      return Place{.address = *address, .pool = pool->pool.name};
    }
    names += (names.empty() ? "" : ", ") + pool->pool.name;
  }
  return fail(Errc::kExhausted,
              "no address is left in VNodeIPPool {}: widen spec.ranges, or release what nobody "
              "needs",
              names);
}

Result<std::vector<IpAddress>> Ledger::list_free(const std::string& pool, std::size_t most) const {
  if (!pool.empty() && pools_.find(pool) == nullptr) {
    return fail(Errc::kNotFound, "there is no VNodeIPPool {}", pool);
  }
  std::vector<IpAddress> out;
  for (const PoolBook::Pool& each : pools_.pools()) {
    if (!pool.empty() && each.pool.name != pool) {
      continue;
    }
    for (const IpRange& range : each.addresses.ranges()) {
      auto free = taken_.next_free(range.first(), range.last());
      while (free && out.size() < most) {
        out.push_back(*free);
        const auto next = free->plus(1);
        free = next ? taken_.next_free(*next, range.last()) : std::nullopt;
      }
    }
  }
  return out;
}

void Ledger::count() const {
  counts_.emplace();
  allocations_.visit(std::nullopt, [this](const AllocationIndex::Glance& each) {
    const PoolBook::Pool* holder = pools_.holder_of(each.address);
    if (holder != nullptr) {
      ++(*counts_)[holder->pool.name].allocated;
    }
    if (!each.pool.empty() && (holder == nullptr || holder->pool.name != each.pool)) {
      ++(*counts_)[std::string(each.pool)].outside;
    }
    return true;
  });
}

Result<Allocator::PoolState> Ledger::state_of(const std::string& pool) const {
  const PoolBook::Pool* found = pools_.find(pool);
  if (found == nullptr) {
    return fail(Errc::kNotFound, "there is no VNodeIPPool {}", pool);
  }
  if (!counts_) {
    count();
  }
  const auto counted = counts_->find(pool);
  const Counts counts = counted == counts_->end() ? Counts() : counted->second;
  return PoolBook::state_of(*found, counts.allocated, counts.outside);
}

}  // namespace vk8s::ipmanager
