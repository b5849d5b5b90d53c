#include "ipmanager/sweeper.h"

#include <algorithm>
#include <set>

#include "ipmanager/allocation_index.h"

namespace vk8s::ipmanager {
namespace {

// What comes at once is swept at once.
constexpr auto kSoon = std::chrono::milliseconds(500);
constexpr std::size_t kAllocationsARound = 2000;

std::string key_of_owner(const api::IpOwner& owner) {
  return owner.to_string() + "/" + owner.cluster_uid;
}

}  // namespace

Sweeper::Sweeper(Timers& timers, kube::Client& client, Allocator& allocator, Log log,
                 SweeperOptions options)
    : timers_(timers),
      client_(client),
      allocator_(allocator),
      log_(log.child("sweeper")),
      options_(options),
      status_(timers, client, allocator, log_),
      self_(std::make_shared<Sweeper*>(this)) {
  const std::weak_ptr<Sweeper*> weak = self_;
  const auto note = [weak] {
    if (const auto self = weak.lock()) {
      (*self)->status_.note();
    }
  };
  allocator_.add_handlers({.on_pool = [note](const std::string&) { note(); },
                           .on_allocation =
                               [weak, note](const api::IpAllocation& allocation) {
                                 note();
                                 const auto self = weak.lock();
                                 if (self && allocation.releasing) {
                                   (*self)->wake(kSoon);
                                 }
                               },
                           .on_released = [note](const api::IpAllocation&) { note(); }});
}

Sweeper::~Sweeper() { stop(); }

void Sweeper::start() {
  is_running_ = true;
  status_.start();
  wake(kSoon);
}

void Sweeper::stop() {
  is_running_ = false;
  status_.stop();
  timer_.cancel();
  end_timer_.cancel();
  round_.reset();
  crowded_since_.clear();
  urgent_.clear();
}

void Sweeper::look_at(const std::vector<IpAddress>& addresses) {
  if (is_running_ && !addresses.empty()) {
    urgent_.insert(addresses.begin(), addresses.end());
    wake(kSoon);
  }
}

void Sweeper::wake(std::chrono::milliseconds delay) {
  const auto due = timers_.now() + delay;
  is_woken_ = is_woken_ || round_ != nullptr;
  if (!is_running_ || round_ || (timer_ && due_ <= due)) {
    return;
  }
  due_ = due;
  timer_ = timers_.after(delay, [this] {
    timer_.cancel();
    begin_round();
  });
}

void Sweeper::begin_round() {
  if (!allocator_.has_synced()) {
    wake(kSoon);
    return;
  }
  is_woken_ = false;
  SweepPlan plan{.releasing = allocator_.index().list_releasing(),
                 .of_clusters = next_of_clusters(),
                 .crowded = find_crowded()};
  round_ = std::make_unique<SweepRound>(client_, log_, std::move(plan), [this](std::size_t acts) {
    // Later: the round is on the stack.
    end_timer_ = timers_.after(std::chrono::nanoseconds(0), [this, acts] { end_round(acts); });
  });
  round_->start();
}

void Sweeper::end_round(std::size_t acts) {
  end_timer_.cancel();
  round_.reset();
  status_.note();
  // What was given back meanwhile may be deleted next; what a pod still has, later.
  wake(acts > 0 || is_woken_ ? std::min<std::chrono::milliseconds>(kSoon, options_.period)
                             : options_.period);
}

std::vector<api::IpAllocation> Sweeper::next_of_clusters() {
  std::vector<api::IpAllocation> out;
  std::set<std::string> clusters;
  const auto part = allocator_.index().list_after(cursor_, kAllocationsARound);
  cursor_ = part.size() < kAllocationsARound ? std::nullopt : std::optional(part.back().address);
  for (const api::IpAllocation& allocation : part) {
    if (!allocation.owner || allocation.owner->cluster_uid.empty() || allocation.releasing) {
      continue;
    }
    clusters.insert(allocation.owner->cluster_uid);
    if (clusters.size() > options_.clusters_a_round) {
      cursor_ = out.back().address;  // from this one on in the next round
      break;
    }
    out.push_back(allocation);
  }
  add_urgent(out);
  return out;
}

void Sweeper::add_urgent(std::vector<api::IpAllocation>& out) {
  for (const api::IpAllocation& each : out) {
    urgent_.erase(each.address);
  }
  for (const IpAddress& address : std::exchange(urgent_, {})) {
    const auto held = allocator_.index().find(address);
    if (held && held->allocation.owner && !held->allocation.owner->cluster_uid.empty() &&
        !held->allocation.releasing) {
      out.push_back(held->allocation);
    }
  }
}

std::vector<std::vector<api::IpAllocation>> Sweeper::find_crowded() {
  std::vector<std::vector<api::IpAllocation>> out;
  std::map<std::string, Timers::TimePoint> since;
  for (const api::IpOwner& owner : allocator_.index().list_crowded()) {
    std::vector<api::IpAllocation> claims;
    for (AllocationIndex::Held& held : allocator_.index().find_by_owner(owner)) {
      if (!held.allocation.releasing) {
        claims.push_back(std::move(held.allocation));
      }
    }
    if (claims.size() < 2) {
      continue;
    }
    const std::string key = key_of_owner(owner);
    const auto before = crowded_since_.find(key);
    since[key] = before == crowded_since_.end() ? timers_.now() : before->second;
    if (timers_.now() - since[key] >= options_.patience) {
      out.push_back(std::move(claims));
    }
  }
  crowded_since_ = std::move(since);
  return out;
}

}  // namespace vk8s::ipmanager
