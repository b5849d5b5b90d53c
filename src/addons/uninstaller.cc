#include "addons/uninstaller.h"

#include <utility>

#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kMaxKeptNamed = 16;

std::string kept_text(const std::vector<Remover::Kept>& kept) {
  std::string out;
  for (std::size_t i = 0; i < kept.size() && i < kMaxKeptNamed; ++i) {
    out += fmt::format("{}{} is kept: {}", out.empty() ? "" : "; ", kept[i].id.to_string(),
                       kept[i].reason);
  }
  if (kept.size() > kMaxKeptNamed) {
    out += fmt::format("; and {} more", kept.size() - kMaxKeptNamed);
  }
  return base::printable(out, kMaxMessage);
}

}  // namespace

Uninstaller::Uninstaller(Timers& timers, kube::Client& client, UninstallerOptions options, Log log,
                         std::function<void()> on_change)
    : timers_(timers),
      client_(client),
      options_(std::move(options)),
      log_(log.child(options_.set_name)),
      on_change_(std::move(on_change)),
      store_(client, options_.inventory_namespace, options_.set_name),
      inventory_(options_.set_name),
      backoff_(options_.first_backoff, options_.max_backoff) {}

Uninstaller::~Uninstaller() = default;

void Uninstaller::start() {
  status_.phase = InstallPhase::kRemoving;
  load();
}

void Uninstaller::tell(InstallStatus status) {
  if (!(status == status_)) {
    status_ = std::move(status);
    on_change_();
  }
}

void Uninstaller::retry(const Error& error, void (Uninstaller::*step)()) {
  const auto delay = backoff_.next();
  log_.warning("inventory", {{"retry_ms", delay.count()}, {"error", error.message()}});
  InstallStatus status = status_;
  status.message = base::printable(error.message(), kMaxMessage);
  tell(std::move(status));
  timer_ = timers_.after(delay, [this, step] { (this->*step)(); });
}

void Uninstaller::load() {
  store_.load([this](Result<Inventory> inventory) { take_inventory(std::move(inventory)); });
}

void Uninstaller::take_inventory(Result<Inventory> inventory) {
  if (!inventory) {
    retry(inventory.error(), &Uninstaller::load);
    return;
  }
  inventory_ = *std::move(inventory);
  if (inventory_.empty()) {
    settle();
    return;
  }
  // Who comes next knows that nothing is to be installed any more.
  inventory_.describe(InventoryState::kRemoving, "", inventory_.version());
  store_.save(inventory_, [this](Result<Inventory> saved) { take_recorded(std::move(saved)); });
}

void Uninstaller::take_recorded(Result<Inventory> inventory) {
  if (!inventory) {
    retry(inventory.error(), &Uninstaller::load);
    return;
  }
  inventory_ = *std::move(inventory);
  backoff_.reset();
  log_.info("uninstall", {{"objects", inventory_.entries().size()}});
  remover_ = std::make_unique<Remover>(timers_, client_, inventory_.entries(), options_.set_name,
                                       options_.remove, log_, [this] { on_remove_change(); });
  remover_->start();
}

void Uninstaller::on_remove_change() {
  if (remover_->is_done() && !is_concluding_) {
    is_concluding_ = true;
    conclude();
    return;
  }
  InstallStatus status = status_;
  const std::size_t over = remover_->gone().size() + remover_->kept().size();
  status.version = inventory_.version();
  status.progress = static_cast<int>(over * 99 / std::max<std::size_t>(remover_->count(), 1));
  status.message = base::printable(remover_->describe_wait(), kMaxMessage);
  tell(std::move(status));
}

void Uninstaller::conclude() {
  for (const ObjectId& id : remover_->gone()) {
    inventory_.remove(id);
  }
  if (inventory_.entries().empty()) {
    store_.erase(inventory_, [this](Status erased) {
      if (erased) {
        settle();
      } else {
        retry(erased.error(), &Uninstaller::reload_and_conclude);
      }
    });
    return;
  }
  store_.save(inventory_, [this](Result<Inventory> saved) {
    if (saved) {
      settle();
    } else {
      retry(saved.error(), &Uninstaller::reload_and_conclude);
    }
  });
}

void Uninstaller::reload_and_conclude() {
  store_.load([this](Result<Inventory> inventory) {
    if (!inventory) {
      retry(inventory.error(), &Uninstaller::reload_and_conclude);
    } else if (inventory->empty()) {
      settle();
    } else if (inventory->state() != InventoryState::kRemoving) {
      // It is being installed again: what is there is somebody else's now.
      log_.warning("somebody else installs it again", {});
    } else {
      inventory_ = *std::move(inventory);
      conclude();
    }
  });
}

void Uninstaller::settle() {
  InstallStatus status = status_;
  status.phase = InstallPhase::kRemoved;
  status.progress = 100;
  status.message = remover_ ? kept_text(remover_->kept()) : "";
  status.is_settled = true;
  log_.info("removed", {{"kept", remover_ ? remover_->kept().size() : 0}});
  tell(std::move(status));
}

}  // namespace vk8s::addons
