// Takes objects away, one rank of kinds after the other (removal_rank()), each waited
// for until it has gone. On the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addons/removal_task.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/backoff.h"

namespace vk8s::addons {

struct RemoverOptions {
  RemovalOptions removal;
  std::size_t max_in_flight = 16;
  std::chrono::milliseconds first_backoff{100};
  std::chrono::milliseconds max_backoff{5'000};
  // So long pods may take to end before their Namespace is kept for them.
  std::chrono::milliseconds pod_patience{120'000};
};

class Remover {
 public:
  struct Kept {
    ObjectId id;
    std::string reason;
  };

  // on_change is called, from the loop, after something has changed; it may not delete
  // the remover. timers and client outlive it.
  Remover(Timers& timers, kube::Client& client, std::vector<InventoryEntry> entries,
          std::string set_name, RemoverOptions options, Log log, std::function<void()> on_change);
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  void start();

  // All is gone, or kept.
  bool is_done() const;
  std::vector<ObjectId> gone() const;
  std::vector<Kept> kept() const;
  // "Profile team-a: it is being deleted and waits for x"; "" while nothing is waited for.
  std::string describe_wait() const;
  std::size_t count() const { return items_.size(); }

 private:
  struct Item {
    InventoryEntry entry;
    int rank = 0;
    bool is_busy = false;
    bool is_backing_off = false;
    bool is_over = false;
    RemovalOutcome outcome;
    unsigned attempts = 0;
    std::unique_ptr<RemovalTask> task;
    Registration retry;
  };

  void wake();
  void pump();
  int rank() const;
  void begin(Item& item);
  void end(Item& item, RemovalOutcome outcome);

  Timers& timers_;
  kube::Client& client_;
  const std::string set_name_;
  const RemoverOptions options_;
  Log log_;
  const std::function<void()> on_change_;
  KindResolver resolver_;
  std::vector<Item> items_;  // by rank; the number of them does not change
  std::size_t in_flight_ = 0;
  int rank_ = -1;
  Timers::TimePoint rank_start_;
  kube::Backoff backoff_;
  std::vector<std::unique_ptr<RemovalTask>> ended_;  // but perhaps on the stack
  Registration wake_;
};

}  // namespace vk8s::addons
