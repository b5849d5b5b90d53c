#include "ipmanager/allocator.h"

#include <deque>
#include <memory>
#include <utility>

#include "ipmanager/allocate_operation.h"
#include "ipmanager/release_operation.h"
#include "kube/informer.h"

namespace vk8s::ipmanager {
namespace {

using kube::InformerOptions;
using kube::ObjectPtr;
namespace resources = kube::resources;

// Of 65,536 allocations a page more or less counts.
constexpr int kAllocationPage = 1000;

Json keep_pod_networks(const Json& node) {
  JsonObject metadata;
  for (const char* field : {"name", "uid", "resourceVersion"}) {
    metadata[field] = base::get_string(node, std::string("metadata.") + field).value_or("");
  }
  JsonArray networks;
  for (const Cidr& network : pod_networks_of(node)) {
    networks.emplace_back(network.to_string());
  }
  return JsonObject{{"metadata", std::move(metadata)},
                    {"spec", JsonObject{{"podCIDRs", std::move(networks)}}}};
}

std::string name_of(const Json& object) {
  return std::string(base::get_string(object, "metadata.name").value_or(""));
}

Error cancelled() { return {Errc::kCancelled, "this program is stopping: ask again"}; }

}  // namespace

struct Allocator::Impl {
  Impl(Timers& timers, kube::Client& client, const Log& log)
      : core{.timers = timers,
             .client = client,
             .log = log,
             .ledger = {},
             .waiters = {},
             .owners = OwnerSearch(client),
             .random = std::mt19937_64(std::random_device{}())},
        pools(timers, client, InformerOptions{.resource = resources::kVNodeIPPool}, log),
        allocations(timers, client,
                    InformerOptions{.resource = resources::kIPAllocation,
                                    .projection = compact,
                                    .page_size = kAllocationPage},
                    log),
        nodes(timers, client,
              InformerOptions{.resource = resources::kNode, .projection = keep_pod_networks}, log) {
    add_informer_handlers();
  }

  void add_informer_handlers();
  void start();
  void stop();
  void note_sync();

  void allocate(AllocationRequest request, Callback callback);
  void start_next(const std::string& owner);
  void end_allocate(std::uint64_t id, const std::string& owner, const Callback& callback,
                    Result<api::IpAllocation> result);
  void release(const IpAddress& address, Expect expect, ReleaseCallback callback);
  // Frees what has ended, when it is no longer on the stack.
  void clear_ended();
  void tell_progress();

  void take_pool(const std::string& name);
  void take_allocation(const ObjectPtr& kept);
  void drop_allocation(const ObjectPtr& kept);

  AllocatorCore core;
  kube::Informer pools;
  kube::Informer allocations;
  kube::Informer nodes;
  int unsynced = 3;
  std::vector<std::function<void()>> when_synced;
  std::vector<Handlers> handlers;
  bool is_stopped = false;

  std::uint64_t last_id = 0;
  std::map<std::uint64_t, std::unique_ptr<AllocateOperation>> allocating;
  // Ids of those of one owner: the first is under way, the others come after it.
  std::map<std::string, std::deque<std::uint64_t>> queues;
  std::map<std::uint64_t, std::unique_ptr<ReleaseOperation>> releasing;
  std::vector<std::unique_ptr<AllocateOperation>> ended_allocations;
  std::vector<std::unique_ptr<ReleaseOperation>> ended_releases;
  std::map<std::uint64_t, Registration> soon;  // callbacks that are not from inside a call
  Registration clearing;
  Registration progress_timer;
};

void Allocator::Impl::add_informer_handlers() {
  pools.add_handlers({.on_added =
                          [this](const ObjectPtr& pool) {
                            core.ledger.pools().put_pool(*pool);
                            take_pool(name_of(*pool));
                          },
                      .on_updated =
                          [this](const ObjectPtr&, const ObjectPtr& pool) {
                            core.ledger.pools().put_pool(*pool);
                            take_pool(name_of(*pool));
                          },
                      .on_deleted =
                          [this](const ObjectPtr& pool) {
                            core.ledger.pools().remove_pool(name_of(*pool));
                            take_pool(name_of(*pool));
                          }});
  const auto take_node = [this](const ObjectPtr& node) {
    core.ledger.pools().put_node(name_of(*node), pod_networks_of(*node));
  };
  nodes.add_handlers(
      {.on_added = take_node,
       .on_updated = [take_node](const ObjectPtr&, const ObjectPtr& node) { take_node(node); },
       .on_deleted =
           [this](const ObjectPtr& node) { core.ledger.pools().remove_node(name_of(*node)); }});
  allocations.add_handlers(
      {.on_added = [this](const ObjectPtr& kept) { take_allocation(kept); },
       .on_updated = [this](const ObjectPtr&, const ObjectPtr& kept) { take_allocation(kept); },
       .on_deleted = [this](const ObjectPtr& kept) { drop_allocation(kept); }});
}

void Allocator::Impl::take_pool(const std::string& name) {
  for (const Handlers& each : handlers) {
    if (each.on_pool) {
      each.on_pool(name);
    }
  }
}

void Allocator::Impl::take_allocation(const ObjectPtr& kept) {
  const auto address = core.ledger.put(kept);
  // Later: in the middle of a list the cache is of no one version.
  if (!progress_timer) {
    progress_timer = core.timers.after(std::chrono::nanoseconds(0), [this] { tell_progress(); });
  }
  if (!address || handlers.empty()) {
    return;
  }
  const auto held = core.ledger.allocations().find(*address);
  for (const Handlers& each : handlers) {
    if (each.on_allocation) {
      each.on_allocation(held->allocation);
    }
  }
}

void Allocator::Impl::drop_allocation(const ObjectPtr& kept) {
  const auto address = AllocationIndex::address_of(*kept);
  const auto held =
      address ? core.ledger.allocations().find(*address) : std::optional<AllocationIndex::Held>();
  core.ledger.erase(kept);
  if (!held) {
    return;
  }
  for (const Handlers& each : handlers) {
    if (each.on_released) {
      each.on_released(held->allocation);
    }
  }
}

void Allocator::Impl::tell_progress() {
  progress_timer.cancel();
  core.ledger.forget_hidden(core.timers.now());
  core.waiters.tell(core.ledger.progress());
}

void Allocator::Impl::start() {
  for (kube::Informer* informer : {&pools, &nodes, &allocations}) {
    informer->when_synced([this] { note_sync(); });
    informer->start();
  }
}

void Allocator::Impl::note_sync() {
  if (--unsynced > 0) {
    return;
  }
  for (const auto& callback : std::exchange(when_synced, {})) {
    callback();
  }
  std::vector<std::string> owners;
  for (const auto& [owner, queue] : queues) {
    owners.push_back(owner);
  }
  for (const std::string& owner : owners) {
    start_next(owner);
  }
}

void Allocator::Impl::stop() {
  is_stopped = true;
  for (kube::Informer* informer : {&pools, &nodes, &allocations}) {
    informer->stop();
  }
  progress_timer.cancel();
  // Of what is asked for from in there, the timer of each takes care.
  for (const std::uint64_t last = last_id; !allocating.empty();) {
    if (allocating.begin()->first > last) {
      break;
    }
    allocating.begin()->second->abort(cancelled());
  }
  for (const std::uint64_t last = last_id; !releasing.empty();) {
    if (releasing.begin()->first > last) {
      break;
    }
    releasing.begin()->second->abort(cancelled());
  }
}

void Allocator::Impl::allocate(AllocationRequest request, Callback callback) {
  const std::uint64_t id = ++last_id;
  // Of nobody: each a queue of its own, named as no owner is.
  const std::string owner = request.owner ? request.owner->to_string() : "/" + std::to_string(id);
  auto done = [this, id, owner, callback = std::move(callback)](Result<api::IpAllocation> result) {
    end_allocate(id, owner, callback, std::move(result));
  };
  allocating[id] = std::make_unique<AllocateOperation>(core, std::move(request), std::move(done));
  queues[owner].push_back(id);
  if (queues[owner].size() == 1) {
    soon[id] = core.timers.after(std::chrono::nanoseconds(0), [this, id, owner] {
      soon.erase(id);
      start_next(owner);
    });
  }
}

void Allocator::Impl::start_next(const std::string& owner) {
  const auto queue = queues.find(owner);
  if (queue == queues.end()) {
    return;
  }
  AllocateOperation& next = *allocating.at(queue->second.front());
  if (is_stopped) {
    next.abort(cancelled());
  } else if (unsynced == 0) {
    next.start();
  }
}

void Allocator::Impl::end_allocate(std::uint64_t id, const std::string& owner,
                                   const Callback& callback, Result<api::IpAllocation> result) {
  soon.erase(id);
  const auto found = allocating.find(id);
  ended_allocations.push_back(std::move(found->second));
  allocating.erase(found);
  clear_ended();
  std::deque<std::uint64_t>& queue = queues.at(owner);
  const bool was_first = queue.front() == id;
  std::erase(queue, id);
  if (queue.empty()) {
    queues.erase(owner);
  } else if (was_first) {
    soon[queue.front()] =
        core.timers.after(std::chrono::nanoseconds(0), [this, next = queue.front(), owner] {
          soon.erase(next);
          start_next(owner);
        });
  }
  callback(std::move(result));
}

void Allocator::Impl::release(const IpAddress& address, Expect expect, ReleaseCallback callback) {
  const std::uint64_t id = ++last_id;
  auto done = [this, id, callback = std::move(callback)](Status status) {
    soon.erase(id);
    const auto found = releasing.find(id);
    ended_releases.push_back(std::move(found->second));
    releasing.erase(found);
    clear_ended();
    callback(std::move(status));
  };
  ReleaseOperation& operation = *(releasing[id] = std::make_unique<ReleaseOperation>(
                                      core, address, std::move(expect), std::move(done)));
  soon[id] = core.timers.after(std::chrono::nanoseconds(0), [this, id, &operation] {
    soon.erase(id);
    if (is_stopped) {
      operation.abort(cancelled());
    } else {
      operation.start();
    }
  });
}

void Allocator::Impl::clear_ended() {
  if (!clearing) {
    clearing = core.timers.after(std::chrono::nanoseconds(0), [this] {
      clearing.cancel();
      ended_allocations.clear();
      ended_releases.clear();
    });
  }
}

Allocator::Allocator(Timers& timers, kube::Client& client, Log log)
    : impl_(std::make_unique<Impl>(timers, client, log.child("allocator"))) {}

Allocator::~Allocator() { stop(); }

void Allocator::start() { impl_->start(); }
void Allocator::stop() { impl_->stop(); }
bool Allocator::has_synced() const { return impl_->unsynced == 0; }

void Allocator::when_synced(std::function<void()> callback) {
  if (has_synced()) {
    callback();
  } else {
    impl_->when_synced.push_back(std::move(callback));
  }
}

void Allocator::add_handlers(Handlers handlers) { impl_->handlers.push_back(std::move(handlers)); }

void Allocator::allocate(AllocationRequest request, Callback callback) {
  impl_->allocate(std::move(request), std::move(callback));
}

void Allocator::release(const IpAddress& address, Expect expect, ReleaseCallback callback) {
  impl_->release(address, std::move(expect), std::move(callback));
}

std::optional<api::IpAllocation> Allocator::find(const IpAddress& address) const {
  auto held = impl_->core.ledger.allocations().find(address);
  return held ? std::optional(std::move(held->allocation)) : std::nullopt;
}

std::vector<api::IpAllocation> Allocator::find_by_owner(const api::IpOwner& owner) const {
  std::vector<api::IpAllocation> out;
  for (auto& held : impl_->core.ledger.allocations().find_by_owner(owner)) {
    out.push_back(std::move(held.allocation));
  }
  return out;
}

std::vector<api::IpAllocation> Allocator::list() const {
  return impl_->core.ledger.allocations().list();
}

const AllocationIndex& Allocator::index() const { return impl_->core.ledger.allocations(); }

std::vector<api::IpPool> Allocator::pools() const {
  std::vector<api::IpPool> out;
  for (const PoolBook::Pool& each : std::as_const(impl_->core.ledger).pools().pools()) {
    out.push_back(each.pool);
  }
  return out;
}

bool Allocator::is_in_pool(const IpAddress& address) const {
  return std::as_const(impl_->core.ledger).pools().holder_of(address) != nullptr;
}

Result<std::string> Allocator::pool_of(const IpAddress& address) const {
  const PoolBook& pools = std::as_const(impl_->core.ledger).pools();
  const PoolBook::Pool* holder = pools.holder_of(address);
  return holder == nullptr ? fail(Errc::kNotFound, "{}", pools.why_not(address))
                           : Result<std::string>(holder->pool.name);
}

Result<std::vector<IpAddress>> Allocator::list_free(const std::string& pool,
                                                    std::size_t most) const {
  return impl_->core.ledger.list_free(pool, most);
}

Result<Allocator::PoolState> Allocator::pool_state(const std::string& pool) const {
  return impl_->core.ledger.state_of(pool);
}

}  // namespace vk8s::ipmanager
