#include "controller/controller_manager.h"

#include <future>
#include <utility>

#include "base/wall_time.h"
#include "controller/manifests.h"
#include "ipmanager/allocation_index.h"

namespace vk8s::controller {
namespace {

// Beside the keys of Vk8s, which have a namespace: the IPReservation of Calico hosts.
const kube::ObjectKey kReservationKey{"", "ip-reservation"};
// Somebody may have edited it, or Calico been installed.
constexpr std::chrono::minutes kReservationInterval{5};

}  // namespace

ControllerManager::ControllerManager(EventLoop& loop, kube::Client& client,
                                     http::Client& agents_client, ManagerOptions options, Log log)
    : loop_(loop),
      client_(client),
      options_(std::move(options)),
      log_(std::move(log)),
      batch_(loop, client),
      world_(
          loop, client, [this](const kube::ObjectKey& key) { queue_.add(key); },
          log_.child("cache")),
      agents_(
          loop, loop, agents_client, [this](const kube::ObjectKey& key) { queue_.add(key); },
          log_.child("agents")),
      dialled_inner_(loop, log_.child("inner")),
      inner_(dialled_inner_),
      allocator_(loop, client, log_.child("addresses")),
      blocking_allocator_(loop, allocator_),
      sweeper_(loop, client, allocator_, log_.child("sweeper"), options_.sweeper),
      address_methods_(batch_, world_, options_.settings.static_ip_method,
                       std::chrono::system_clock::now),
      addresses_(AddressKeeper::Parts{blocking_allocator_, address_index_, address_methods_, batch_,
                                      world_, log_.child("addresses")}),
      reservation_(
          batch_, address_methods_, [this] { return claimed_addresses(); },
          log_.child("reservation")),
      addon_sets_(loop, agents_client, client, options_.settings, log_.child("addon-sets")),
      addons_(AddonKeeper::Parts{
          loop, [this](std::function<void()> work) { loop_.post(std::move(work)); }, addon_sets_,
          [this](const kube::ClientConfig& config) {
            return kube::Client::create(loop_, config, log_.child("addons"));
          },
          [this](const kube::ObjectKey& key) { queue_.add(key); }, log_.child("addons")}),
      events_(loop, client, std::string(kFieldManager), options_.identity, log_.child("events")),
      reconciler_(Reconciler::Parts{
          batch_, world_, agents_, inner_, addresses_, addons_,
          [this](const Json& vk8s, bool is_warning, std::string_view reason,
                 const std::string& message) {
            events_.record(kube::reference_to(kube::resources::kVk8s, vk8s),
                           is_warning ? kube::EventType::kWarning : kube::EventType::kNormal,
                           reason, message);
          },
          options_.settings, log_.child("reconciler")}) {
  metrics_.watch_queue_depth([this] { return static_cast<double>(queue_.size()); });
  metrics_.watch_clusters([this] {
    std::map<std::string, double> out;
    for (const World::Object& vk8s : world_.list(kube::resources::kVk8s, "")) {
      ++out[std::string(base::get_string(*vk8s, "status.phase").value_or("Waiting"))];
    }
    return out;
  });
  metrics_.watch_addons([this] {
    std::map<std::string, double> out;
    for (const World::Object& vk8s : world_.list(kube::resources::kVk8s, "")) {
      count_addons(*vk8s, out);
    }
    return out;
  });
  allocator_.add_handlers(address_handlers());
}

ipmanager::Allocator::Handlers ControllerManager::address_handlers() {
  ipmanager::Allocator::Handlers out;
  const auto wake_owner = [this](const api::IpAllocation& allocation) {
    if (kube::ObjectKey cluster = cluster_of(allocation); !cluster.name.empty()) {
      queue_.add(cluster);
    }
  };
  out.on_allocation = [this, wake_owner](const api::IpAllocation& allocation) {
    if (kube::ObjectKey former = address_index_.put(allocation); !former.name.empty()) {
      queue_.add(former);
    }
    reserve_if_outside(allocation);
    wake_owner(allocation);
  };
  out.on_released = [this, wake_owner](const api::IpAllocation& allocation) {
    address_index_.erase(allocation);
    reserve_if_outside(allocation);
    wake_owner(allocation);
    wake_waiting();
  };
  out.on_pool = [this](const std::string&) {
    wake_waiting();
    queue_.add(kReservationKey);
  };
  return out;
}

void ControllerManager::wake_waiting() {
  for (const kube::ObjectKey& cluster : addresses_.waiting()) {
    queue_.add(cluster);
  }
}

// Those that were looked at before the allocations were known.
void ControllerManager::wake_who_want_addresses() {
  for (const World::Object& object : world_.list(kube::resources::kVk8s, "")) {
    const auto vk8s = api::parse_vk8s(*object);
    if (vk8s && vk8s->wants_addresses()) {
      queue_.add({vk8s->metadata.namespace_name, vk8s->metadata.name});
    }
  }
}

// On a worker's thread.
std::optional<ClaimedAddresses> ControllerManager::claimed_addresses() {
  using Claimed = std::optional<ClaimedAddresses>;
  const auto task = std::make_shared<std::packaged_task<Claimed()>>([this]() -> Claimed {
    if (!allocator_.has_synced()) {
      return std::nullopt;
    }
    ClaimedAddresses out{.pools = allocator_.pools(), .allocated = {}};
    allocator_.index().visit(std::nullopt, [&](const auto& each) {
      out.allocated.push_back(each.address);
      return true;
    });
    return out;
  });
  auto claimed = task->get_future();
  loop_.post([task] { (*task)(); });
  return claimed.get();
}

// What lies in a pool is in the reservation already.
void ControllerManager::reserve_if_outside(const api::IpAllocation& allocation) {
  if (!allocator_.is_in_pool(allocation.address)) {
    queue_.add(kReservationKey);
  }
}

ControllerManager::~ControllerManager() {
  if (joiner_.joinable()) {
    joiner_.join();
  }
}

void ControllerManager::start(std::function<void()> on_lost) {
  // A replica in waiting keeps its caches warm, so that it can take over at once.
  world_.when_synced([this] {
    log_.info("caches are filled");
    if (leads_) {
      begin_work();
    }
  });
  world_.start();
  // Not waited for: where no cluster wants an address, nobody misses it, and an older
  // installation does not know these kinds.
  allocator_.when_synced([this] {
    address_index_.set_synced();
    if (!allocator_.pools().empty() || allocator_.index().size() > 0) {
      queue_.add(kReservationKey);
    }
    wake_who_want_addresses();
  });
  allocator_.start();
  if (!options_.leader_elect) {
    leads_ = true;
    metrics_.set_leader(true);
    return;
  }
  kube::LeaderElectionOptions election;
  election.lease = {options_.lease_namespace, std::string(kControllerName)};
  election.identity = options_.identity;
  kube::LeaderCallbacks callbacks;
  callbacks.on_started = [this] {
    leads_ = true;
    metrics_.set_leader(true);
    if (world_.has_synced()) {
      begin_work();
    }
  };
  callbacks.on_stopped = std::move(on_lost);
  callbacks.on_new_leader = [this](const std::string& identity) {
    log_.info("leader", {{"identity", identity}});
  };
  elector_.emplace(loop_, client_, std::move(election), std::move(callbacks), log_.child("leader"));
  elector_->start();
}

void ControllerManager::begin_work() {
  if (workers_ || stopping_) {
    return;
  }
  sweeper_.start();
  workers_ = std::make_unique<kube::ReconcileWorkers>(
      queue_, options_.workers, "reconcile",
      [this](const kube::ObjectKey& key) { return reconcile(key); }, log_.child("worker"));
}

// Who wants its addresses next need not wait for their turn. This is asked again with each
// of its pods that goes.
void ControllerManager::sweep_if_gone(const kube::ObjectKey& cluster) {
  if (world_.get(kube::resources::kVk8s, cluster)) {
    return;
  }
  std::vector<IpAddress> addresses;
  for (const api::IpAllocation& each : address_index_.of_cluster(cluster)) {
    addresses.push_back(each.address);
  }
  if (!addresses.empty()) {
    loop_.post([this, addresses] { sweeper_.look_at(addresses); });
  }
}

Result<kube::ReconcileResult> ControllerManager::reconcile(const kube::ObjectKey& key) {
  if (key == kReservationKey) {
    VK8S_TRY(reservation_.ensure());
    return kube::ReconcileResult{kReservationInterval};
  }
  sweep_if_gone(key);
  const auto start = std::chrono::steady_clock::now();
  const auto outcome = reconciler_.reconcile(key);
  metrics_.count_reconcile(outcome.has_value(), std::chrono::steady_clock::now() - start);
  if (!outcome) {
    return tl::unexpected<Error>(outcome.error());
  }
  kube::ReconcileResult result;
  result.requeue_after = outcome->again.value_or(std::chrono::seconds(0));
  return result;
}

void ControllerManager::stop(std::function<void()> on_stopped) {
  if (std::exchange(stopping_, true)) {
    return;
  }
  on_stopped_ = std::move(on_stopped);
  world_.stop();
  sweeper_.stop();
  queue_.shut_down();
  joiner_ = std::thread([this] {
    workers_.reset();
    loop_.post([this] {
      allocator_.stop();  // not before: a worker may have waited for it
      if (elector_) {
        elector_->stop([this] { on_stopped_(); });
      } else {
        on_stopped_();
      }
    });
  });
}

}  // namespace vk8s::controller
