#include "controller/controller_manager.h"

#include <utility>

#include "controller/manifests.h"

namespace vk8s::controller {

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
      inner_(loop, log_.child("inner")),
      events_(loop, client, std::string(kFieldManager), options_.identity, log_.child("events")),
      reconciler_(Reconciler::Parts{
          batch_, world_, agents_, inner_,
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
  workers_ = std::make_unique<kube::ReconcileWorkers>(
      queue_, options_.workers, "reconcile",
      [this](const kube::ObjectKey& key) { return reconcile(key); }, log_.child("worker"));
}

Result<kube::ReconcileResult> ControllerManager::reconcile(const kube::ObjectKey& key) {
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
  queue_.shut_down();
  joiner_ = std::thread([this] {
    workers_.reset();
    loop_.post([this] {
      if (elector_) {
        elector_->stop([this] { on_stopped_(); });
      } else {
        on_stopped_();
      }
    });
  });
}

}  // namespace vk8s::controller
