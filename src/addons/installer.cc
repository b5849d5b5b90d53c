#include "addons/installer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kMaxKeptNamed = 8;

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) {
    out += (out.empty() ? "" : "; ") + part;
  }
  return base::printable(out, kMaxMessage);
}

}  // namespace

Installer::Installer(Timers& timers, kube::Client& client, std::shared_ptr<const Plan> plan,
                     InstallerOptions options, Log log, std::function<void()> on_change)
    : timers_(timers),
      client_(client),
      plan_(std::move(plan)),
      options_(std::move(options)),
      log_(log.child(options_.set_name)),
      on_change_(std::move(on_change)),
      store_(client, options_.inventory_namespace, options_.set_name),
      inventory_(options_.set_name),
      backoff_(options_.first_backoff, options_.max_backoff),
      self_(std::make_shared<Installer*>(this)) {
  status_.version = plan_->set->info().version;
}

Installer::~Installer() = default;

void Installer::start() { load(); }

void Installer::tell(InstallStatus status) {
  if (!(status == status_)) {
    status_ = std::move(status);
    on_change_();
  }
}

void Installer::retry(const Error& error, void (Installer::*step)()) {
  const auto delay = backoff_.next();
  log_.warning("inventory", {{"retry_ms", delay.count()}, {"error", error.message()}});
  InstallStatus status = status_;
  status.message = base::printable(error.message(), kMaxMessage);
  tell(std::move(status));
  timer_ = timers_.after(delay, [this, step] { (this->*step)(); });
}

void Installer::load() {
  store_.load([this](Result<Inventory> inventory) { take_inventory(std::move(inventory)); });
}

void Installer::take_inventory(Result<Inventory> inventory) {
  if (!inventory) {
    retry(inventory.error(), &Installer::load);
    return;
  }
  inventory_ = *std::move(inventory);
  // A change of what is there already takes no more room.
  const bool has_begun =
      inventory_.digest() == plan_->digest ||
      (inventory_.state() == InventoryState::kInstalled && !inventory_.version().empty() &&
       inventory_.version() == plan_->set->info().version);
  if (has_begun || !options_.precheck) {
    record();
  } else {
    check();
  }
}

void Installer::check() {
  options_.precheck([weak = std::weak_ptr(self_)](std::vector<std::string> problems) {
    if (const auto self = weak.lock()) {
      (*self)->take_problems(std::move(problems));
    }
  });
}

void Installer::take_problems(std::vector<std::string> problems) {
  if (problems.empty()) {
    record();
    return;
  }
  InstallStatus status = status_;
  status.phase = InstallPhase::kBlocked;
  status.message = join(problems);
  log_.warning("blocked", {{"problems", status.message}});
  tell(std::move(status));
  timer_ = timers_.after(options_.recheck, [this] { load(); });
}

std::vector<InventoryEntry> Installer::wanted_entries() const {
  std::vector<InventoryEntry> entries;
  for (const Manifest& manifest : plan_->manifests()) {
    entries.push_back({.id = manifest.id, .version = manifest.version});
  }
  return entries;
}

void Installer::record() {
  const std::vector<InventoryEntry> wanted = wanted_entries();
  const bool is_known =
      std::all_of(wanted.begin(), wanted.end(),
                  [this](const InventoryEntry& one) { return inventory_.contains(one.id); });
  const bool is_installed = inventory_.state() == InventoryState::kInstalled &&
                            inventory_.digest() == plan_->digest && is_known;
  if (const Status added = inventory_.add(wanted); !added) {
    InstallStatus status = status_;
    status.phase = InstallPhase::kBlocked;
    status.message = added.error().message();
    tell(std::move(status));
    return;
  }
  if (!is_installed) {
    inventory_.describe(InventoryState::kInstalling, plan_->digest, plan_->set->info().version);
  }
  store_.save(inventory_,
              [this](Result<Inventory> inventory) { take_recorded(std::move(inventory)); });
}

void Installer::take_recorded(Result<Inventory> inventory) {
  if (!inventory) {
    retry(inventory.error(), &Installer::load);
    return;
  }
  inventory_ = *std::move(inventory);
  backoff_.reset();
  run();
}

void Installer::run() {
  log_.info("install", {{"objects", plan_->manifests().size()},
                        {"version", plan_->set->info().version},
                        {"digest", plan_->digest}});
  run_ = std::make_unique<ApplyRun>(timers_, client_, plan_, options_.set_name, options_.apply,
                                    log_, [this] { on_run_change(); });
  run_->start();
}

void Installer::on_run_change() {
  if (run_->is_applied() && !remover_) {
    prune();
  }
  InstallStatus status = status_of(*plan_, *run_);
  if (remover_) {
    std::vector<std::string> parts;
    if (const std::string wait = remover_->describe_wait(); !wait.empty()) {
      parts.push_back("what the version before had is being removed: " + wait);
    }
    for (const Remover::Kept& kept : remover_->kept()) {
      if (parts.size() < kMaxKeptNamed) {
        parts.push_back(fmt::format("{} is kept: {}", kept.id.to_string(), kept.reason));
      }
    }
    status.message = join(parts);
  }
  status.is_settled = status.phase == InstallPhase::kReady && !is_concluding_ &&
                      inventory_.state() == InventoryState::kInstalled;
  if (status.phase == InstallPhase::kReady && status_.phase != InstallPhase::kReady) {
    log_.info("ready");
  }
  tell(std::move(status));
}

void Installer::prune() {
  std::vector<InventoryEntry> dropped;
  std::vector<InventoryEntry> wanted = wanted_entries();
  std::sort(wanted.begin(), wanted.end());
  for (const InventoryEntry& entry : inventory_.entries()) {
    if (!std::binary_search(wanted.begin(), wanted.end(), entry)) {
      dropped.push_back(entry);
    }
  }
  if (!dropped.empty()) {
    log_.info("prune", {{"objects", dropped.size()}});
  }
  remover_ = std::make_unique<Remover>(timers_, client_, std::move(dropped), options_.set_name,
                                       options_.remove, log_, [this] { on_prune_change(); });
  remover_->start();
}

void Installer::on_prune_change() {
  if (remover_->is_done() && !is_concluding_ && inventory_.state() != InventoryState::kInstalled) {
    is_concluding_ = true;
    conclude();
  }
  on_run_change();
}

void Installer::conclude() {
  for (const ObjectId& id : remover_->gone()) {
    inventory_.remove(id);
  }
  inventory_.describe(InventoryState::kInstalled, plan_->digest, plan_->set->info().version);
  store_.save(inventory_,
              [this](Result<Inventory> inventory) { take_concluded(std::move(inventory)); });
}

void Installer::take_concluded(Result<Inventory> inventory) {
  if (!inventory) {
    retry(inventory.error(), &Installer::reload_and_conclude);
    return;
  }
  inventory_ = *std::move(inventory);
  is_concluding_ = false;
  on_run_change();
}

void Installer::reload_and_conclude() {
  store_.load([this](Result<Inventory> inventory) {
    if (!inventory) {
      retry(inventory.error(), &Installer::reload_and_conclude);
      return;
    }
    inventory_ = *std::move(inventory);
    if (inventory_.digest() != plan_->digest) {
      // What is gone for this version may be there again for that one.
      log_.warning("somebody else installs another version", {{"digest", inventory_.digest()}});
      return;
    }
    conclude();
  });
}

}  // namespace vk8s::addons
