#include "addons/remover.h"

#include <algorithm>
#include <utility>

namespace vk8s::addons {

Remover::Remover(Timers& timers, kube::Client& client, std::vector<InventoryEntry> entries,
                 std::string set_name, RemoverOptions options, Log log,
                 std::function<void()> on_change)
    : timers_(timers),
      client_(client),
      set_name_(std::move(set_name)),
      options_(options),
      log_(std::move(log)),
      on_change_(std::move(on_change)),
      resolver_(client),
      backoff_(options_.first_backoff, options_.max_backoff) {
  for (InventoryEntry& entry : entries) {
    Item item;
    item.rank = removal_rank(entry.id);
    item.entry = std::move(entry);
    items_.push_back(std::move(item));
  }
  std::stable_sort(items_.begin(), items_.end(),
                   [](const Item& a, const Item& b) { return a.rank < b.rank; });
}

Remover::~Remover() = default;

void Remover::start() { wake(); }

bool Remover::is_done() const {
  return std::all_of(items_.begin(), items_.end(), [](const Item& item) { return item.is_over; });
}

std::vector<ObjectId> Remover::gone() const {
  std::vector<ObjectId> out;
  for (const Item& item : items_) {
    if (item.is_over && item.outcome.result == RemovalResult::kGone) {
      out.push_back(item.entry.id);
    }
  }
  return out;
}

std::vector<Remover::Kept> Remover::kept() const {
  std::vector<Kept> out;
  for (const Item& item : items_) {
    if (item.is_over && item.outcome.result == RemovalResult::kKept) {
      out.push_back({item.entry.id, item.outcome.reason});
    }
  }
  return out;
}

std::string Remover::describe_wait() const {
  for (const Item& item : items_) {
    if (!item.is_over && !item.outcome.reason.empty()) {
      return fmt::format("{}: {}", item.entry.id.to_string(), item.outcome.reason);
    }
  }
  return "";
}

void Remover::wake() {
  if (!wake_) {
    wake_ = timers_.after(std::chrono::nanoseconds(0), [this] { pump(); });
  }
}

// That of the first who is not over; items are in its order.
int Remover::rank() const {
  const auto first =
      std::find_if(items_.begin(), items_.end(), [](const Item& item) { return !item.is_over; });
  return first == items_.end() ? -1 : first->rank;
}

void Remover::pump() {
  wake_.cancel();
  ended_.clear();
  if (std::exchange(rank_, rank()) != rank_) {
    rank_start_ = timers_.now();
  }
  for (Item& item : items_) {
    if (item.rank != rank_ || in_flight_ >= options_.max_in_flight) {
      continue;
    }
    if (!item.is_over && !item.is_busy && !item.is_backing_off) {
      begin(item);
    }
  }
  on_change_();
}

void Remover::begin(Item& item) {
  item.is_busy = true;
  ++in_flight_;
  const bool is_patient = timers_.now() - rank_start_ < options_.pod_patience;
  item.task = std::make_unique<RemovalTask>(
      client_, resolver_, item.entry, set_name_, options_.removal, is_patient,
      [this, &item](RemovalOutcome outcome) { end(item, std::move(outcome)); });
  item.task->start();
}

void Remover::end(Item& item, RemovalOutcome outcome) {
  --in_flight_;
  item.is_busy = false;
  ended_.push_back(std::move(item.task));
  const bool is_news = item.outcome.reason != outcome.reason;
  item.outcome = std::move(outcome);
  if (item.outcome.result == RemovalResult::kPending) {
    if (is_news) {
      log_.debug("not gone yet",
                 {{"object", item.entry.id.to_string()}, {"reason", item.outcome.reason}});
    }
    item.is_backing_off = true;
    item.retry = timers_.after(backoff_.delay_of(std::min(item.attempts++, 16U)), [this, &item] {
      item.is_backing_off = false;
      wake();
    });
  } else {
    item.is_over = true;
    if (item.outcome.result == RemovalResult::kKept) {
      log_.info("kept", {{"object", item.entry.id.to_string()}, {"reason", item.outcome.reason}});
    }
  }
  wake();
}

}  // namespace vk8s::addons
