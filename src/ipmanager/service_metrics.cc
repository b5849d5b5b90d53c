#include "ipmanager/service_metrics.h"

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "ipmanager/address_state.h"
#include "ipmanager/allocation_index.h"
#include "ipmanager/rest_operations.h"

namespace vk8s::ipmanager {
namespace {

constexpr auto kKeptFor = std::chrono::seconds(1);
constexpr std::array kStates = {AddressState::kReserved, AddressState::kAllocated,
                                AddressState::kDeallocating};

using Counts = std::map<std::string, std::map<AddressState, double>, std::less<>>;

// Of each pool, and of "" for those that name none.
Counts count(const Allocator& allocator) {
  Counts out;
  allocator.index().visit(std::nullopt, [&](const AllocationIndex::Glance& each) {
    auto pool = out.find(each.pool);
    if (pool == out.end()) {
      pool = out.emplace(each.pool, std::map<AddressState, double>()).first;
    }
    ++pool->second[each.state()];
    return true;
  });
  return out;
}

prometheus::Family<prometheus::Gauge>& gauge(prometheus::Registry& registry, const char* name,
                                             const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

ServiceMetrics::ServiceMetrics(Timers& timers, const Allocator& allocator)
    : timers_(timers),
      allocator_(allocator),
      requests_(prometheus::BuildCounter()
                    .Name("vk8s_ip_requests_total")
                    .Help("Requests, by method, path and status")
                    .Register(registry_)) {}

void ServiceMetrics::count_request(std::string_view method, std::string_view path, int status) {
  const auto& known = operations();
  const auto found = std::find_if(known.begin(), known.end(), [&](const Operation& operation) {
    return operation.method == method && operation.path == path;
  });
  const bool is_known = found != known.end();
  requests_
      .Add({{"method", std::string(is_known ? found->method : "other")},
            {"path", std::string(is_known ? found->path : "other")},
            {"code", std::to_string(status)}})
      .Increment();
}

std::string ServiceMetrics::text() {
  if (text_.empty() || timers_.now() >= end_) {
    text_ = collect();
    end_ = timers_.now() + kKeptFor;
  }
  return text_;
}

std::string ServiceMetrics::collect() {
  // Made anew, so that a pool that has gone has no lines.
  prometheus::Registry registry;
  auto& allocations = gauge(registry, "vk8s_ip_allocations", "Addresses, by pool and status");
  auto& capacity = gauge(registry, "vk8s_ip_pool_capacity", "Addresses that a pool may give");
  auto& free = gauge(registry, "vk8s_ip_free", "Addresses of a pool that nobody has");
  Counts counts = count(allocator_);
  for (const api::IpPool& pool : allocator_.pools()) {
    counts[pool.name];  // a line though it is 0
    const auto state = allocator_.pool_state(pool.name).value_or(Allocator::PoolState());
    capacity.Add({{"pool", pool.name}}).Set(static_cast<double>(state.capacity));
    free.Add({{"pool", pool.name}})
        .Set(static_cast<double>(state.capacity - std::min(state.capacity, state.allocated)));
  }
  for (auto& [pool, by_state] : counts) {
    for (const AddressState state : kStates) {
      allocations.Add({{"pool", pool}, {"status", std::string(to_string(state))}})
          .Set(by_state[state]);
    }
  }
  std::ostringstream out;
  const prometheus::TextSerializer serializer;
  serializer.Serialize(out, registry.Collect());
  serializer.Serialize(out, registry_.Collect());
  return out.str();
}

}  // namespace vk8s::ipmanager
