#include "ipmanager/pool_book.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace vk8s::ipmanager {
namespace {

constexpr std::size_t kMaxReason = 512;

IpRange alone(const IpAddress& address) { return *IpRange::create(address, address); }

// The ranges as written less the exclusions: what the pool has a claim on, given or not.
IpRangeSet claim_of(const api::IpPool& pool) {
  IpRangeSet out;
  for (const std::string& text : pool.ranges) {
    out.add(*IpRange::parse(text));
  }
  for (const std::string& text : pool.exclusions) {
    out.remove(*IpRange::parse(text));
  }
  return out;
}

bool is_excluded(const api::IpPool& pool, const IpAddress& address) {
  return std::any_of(pool.exclusions.begin(), pool.exclusions.end(), [&](const std::string& text) {
    return IpRange::parse(text)->contains(address);
  });
}

bool is_gateway(const api::IpPool& pool, const IpAddress& address) {
  return !pool.gateway.empty() && pool.gateway == address.to_string();
}

void remove_gateways(const std::vector<PoolBook::Pool>& pools, IpRangeSet& addresses) {
  for (const PoolBook::Pool& each : pools) {
    if (!each.pool.gateway.empty()) {
      addresses.remove(alone(*IpAddress::parse(each.pool.gateway)));
    }
  }
}

}  // namespace

std::vector<Cidr> pod_networks_of(const Json& node) {
  std::vector<Cidr> out;
  const auto take = [&](std::string_view text) {
    if (const auto network = Cidr::parse(text)) {
      out.push_back(*network);
    }
  };
  const JsonArray* networks = base::get_array(node, "spec.podCIDRs");
  for (const Json& network : networks == nullptr ? JsonArray() : *networks) {
    if (network.is_string()) {
      take(network.get_string());
    }
  }
  if (out.empty()) {
    take(base::get_string(node, "spec.podCIDR").value_or(""));
  }
  return out;
}

std::string PoolBook::Pool::refusal(const AllocationRequest& request) const {
  if (!invalid.empty()) {
    return fmt::format("VNodeIPPool {} is invalid: {}", pool.name, invalid);
  }
  if (!request.owner || pool.allows(request.owner->namespace_name, request.cluster_labels)) {
    return {};
  }
  if (!pool.allows(request.owner->namespace_name, pool.cluster_labels)) {
    return fmt::format("VNodeIPPool {} gives nothing to namespace {}: see its spec.namespaces",
                       pool.name, request.owner->namespace_name);
  }
  return fmt::format(
      "VNodeIPPool {} gives nothing to {}: its Vk8s has not the labels of spec.clusterSelector",
      pool.name, request.owner->to_string());
}

void PoolBook::put_pool(const Json& object) {
  const auto text = [&](std::string_view path) {
    return std::string(base::get_string(object, path).value_or(""));
  };
  Pool out;
  if (auto pool = api::parse_ip_pool(object)) {
    out.pool = *std::move(pool);
  } else {
    out.pool.name = text("metadata.name");
    out.pool.uid = text("metadata.uid");
    out.pool.creation_timestamp = text("metadata.creationTimestamp");
    out.invalid = base::printable(pool.error().message(), kMaxReason);
  }
  by_name_[out.pool.name] = std::move(out);
  is_fresh_ = false;
}

void PoolBook::remove_pool(const std::string& name) {
  by_name_.erase(name);
  is_fresh_ = false;
}

void PoolBook::put_node(const std::string& name, std::vector<Cidr> pod_networks) {
  std::vector<Cidr>& known = nodes_[name];
  if (known != pod_networks) {
    known = std::move(pod_networks);
    is_fresh_ = false;
  }
}

void PoolBook::remove_node(const std::string& name) {
  if (const auto found = nodes_.find(name); found != nodes_.end()) {
    is_fresh_ = is_fresh_ && found->second.empty();
    nodes_.erase(found);
  }
}

void PoolBook::refresh() const {
  if (is_fresh_) {
    return;
  }
  is_fresh_ = true;
  pools_.clear();
  for (const auto& [name, pool] : by_name_) {
    pools_.push_back(pool);
  }
  std::sort(pools_.begin(), pools_.end(),
            [](const Pool& a, const Pool& b) { return api::is_earlier(a.pool, b.pool); });
  std::vector<IpRangeSet> claims;
  for (Pool& each : pools_) {
    IpRangeSet claim = claim_of(each.pool);
    each.addresses = each.pool.being_deleted ? IpRangeSet() : each.pool.addresses;
    remove_gateways(pools_, each.addresses);
    for (std::size_t i = 0; i < claims.size(); ++i) {
      bool overlaps = false;
      for (const IpRange& range : claims[i].ranges()) {
        overlaps = overlaps || claim.overlaps(range);
        each.addresses.remove(range);
      }
      if (overlaps) {
        each.overlaps.push_back(pools_[i].pool.name);
      }
    }
    for (const auto& [name, networks] : nodes_) {
      for (const Cidr& network : networks) {
        const auto range = IpRange::create(network.network(), network.last());
        if (range && claim.overlaps(*range)) {
          each.overlapped_network = network.to_string();
          each.addresses.remove(*range);
        }
      }
    }
    claims.push_back(std::move(claim));
  }
}

const std::vector<PoolBook::Pool>& PoolBook::pools() const {
  refresh();
  return pools_;
}

const PoolBook::Pool* PoolBook::find(std::string_view name) const {
  refresh();
  const auto found = std::find_if(pools_.begin(), pools_.end(),
                                  [&](const Pool& each) { return each.pool.name == name; });
  return found == pools_.end() ? nullptr : &*found;
}

const PoolBook::Pool* PoolBook::holder_of(const IpAddress& address) const {
  refresh();
  const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const Pool& each) {
    return each.addresses.contains(address);
  });
  return found == pools_.end() ? nullptr : &*found;
}

std::string PoolBook::why_not(const IpAddress& address) const {
  refresh();
  for (const Pool& each : pools_) {
    if (is_gateway(each.pool, address)) {
      return fmt::format("{} is the gateway of VNodeIPPool {}", address.to_string(),
                         each.pool.name);
    }
  }
  for (const Pool& each : pools_) {
    if (is_excluded(each.pool, address)) {
      return fmt::format("{} is in spec.exclusions of VNodeIPPool {}", address.to_string(),
                         each.pool.name);
    }
    if (!claim_of(each.pool).contains(address)) {
      continue;
    }
    if (each.pool.being_deleted) {
      return fmt::format("VNodeIPPool {}, which has {}, is being deleted", each.pool.name,
                         address.to_string());
    }
    for (const auto& [name, networks] : nodes_) {
      for (const Cidr& network : networks) {
        if (network.contains(address)) {
          return fmt::format("{} of VNodeIPPool {} lies in {}, which Node {} gives to its pods",
                             address.to_string(), each.pool.name, network.to_string(), name);
        }
      }
    }
    return fmt::format("{} is a network or broadcast address of VNodeIPPool {}",
                       address.to_string(), each.pool.name);
  }
  return fmt::format("{} is in no VNodeIPPool", address.to_string());
}

Allocator::PoolState PoolBook::state_of(const Pool& pool, std::uint64_t allocated,
                                        std::uint64_t outside) {
  Allocator::PoolState out{.capacity = pool.addresses.size(),
                           .allocated = allocated,
                           .outside = outside,
                           .reason = "Ready",
                           .message = {}};
  out.message = fmt::format("{} of {} addresses are allocated", allocated, out.capacity);
  if (!pool.invalid.empty()) {
    out.reason = "Invalid";
    out.message = pool.invalid;
  } else if (pool.pool.being_deleted) {
    out.reason = "Invalid";
    out.message = "it is being deleted";
  } else if (!pool.overlaps.empty()) {
    out.reason = "Overlap";
    out.message = fmt::format(
        "spec.ranges overlap those of VNodeIPPool {}, which is older: nothing is given from there",
        fmt::join(pool.overlaps, ", "));
  } else if (!pool.overlapped_network.empty()) {
    out.reason = "OverlapsNodes";
    out.message = fmt::format(
        "spec.ranges overlap {}, which a Node gives to its pods: nothing is given from there",
        pool.overlapped_network);
  } else if (allocated >= out.capacity) {
    out.reason = "Exhausted";
    out.message = fmt::format(
        "all {} addresses are allocated: widen spec.ranges, or release what nobody needs",
        out.capacity);
  }
  if (outside > 0) {
    out.message += fmt::format("; {} allocated addresses lie outside its addresses now", outside);
  }
  return out;
}

}  // namespace vk8s::ipmanager
