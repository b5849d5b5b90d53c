// What may be true of addresses while several processes give and take them at once:
// the model that the property test holds the allocators against. A promise that is
// broken is a failure of the running test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "ipmanager/test_objects.h"

namespace vk8s::ipmanager::testing {

using ModelTime = std::chrono::steady_clock::time_point;

// What the pools have said, and when which of it may have been in effect.
class PoolHistory {
 public:
  // Is written to the server now.
  void begin(const std::string& pool, IpRangeSet addresses, ModelTime now) {
    editions_[pool].push_back({.addresses = std::move(addresses), .begin = now, .end = {}});
  }
  // All processes know the last edition: those before it are over.
  void end_earlier(const std::string& pool, ModelTime now) {
    auto& editions = editions_[pool];
    for (std::size_t i = 0; i + 1 < editions.size(); ++i) {
      editions[i].end = editions[i].end.value_or(now);
    }
  }
  const IpRangeSet& latest(const std::string& pool) const {
    return editions_.at(pool).back().addresses;
  }
  // Whether a pool had it at some time between.
  bool had(const IpAddress& address, ModelTime begin, ModelTime end) const {
    for (const auto& [pool, editions] : editions_) {
      for (const Edition& edition : editions) {
        if (edition.begin <= end && edition.end.value_or(end) >= begin &&
            edition.addresses.contains(address)) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  struct Edition {
    IpRangeSet addresses;
    ModelTime begin;
    std::optional<ModelTime> end;
  };
  std::map<std::string, std::deque<Edition>> editions_;
};

// One pod. Its busy time lasts while operations on it run, and for a while after one
// that was broken off, whose requests may still arrive. What it has then is certain as
// long as nobody releases.
class ModelOwner {
 public:
  enum class Knowledge { kNothing, kHasNone, kHas };

  explicit ModelOwner(api::IpOwner owner) : owner_(std::move(owner)) {}

  const api::IpOwner& owner() const { return owner_; }
  Knowledge knowledge() const { return knowledge_; }
  const IpAddress& address() const { return address_; }
  bool is_idle() const { return running_ == 0 && !ghosts_until_; }
  bool is_touching_pod() const { return is_touching_pod_; }
  const std::optional<IpAddress>& pod_address() const { return pod_address_; }

  // Nobody else may have it.
  bool surely_has(const IpAddress& address) const {
    return pod_address_ == address ||
           (knowledge_ == Knowledge::kHas && !was_released_ && address_ == address);
  }

  void begin(bool releases, ModelTime now) {
    if (is_idle()) {
      busy_since_ = now;
    }
    ++running_;
    was_released_ = was_released_ || releases;
    was_asked_ = was_asked_ || !releases;
  }
  void take_answer(const Result<api::IpAllocation>& answer, const AllocationRequest& request,
                   const PoolHistory& pools, ModelTime now) {
    if (answer) {
      take_address(*answer, request, pools, now);
    } else {
      take_error(answer.error(), request);
    }
    end();
  }
  void take_released(const Status& status) {
    has_failed_ = has_failed_ || !status;
    end();
  }
  void take_broken_off(ModelTime now, std::chrono::milliseconds ghost_life) {
    was_broken_off_ = may_have_leftovers_ = true;
    ghosts_until_ = now + ghost_life;
    end();
  }
  bool has_ghosts() const { return ghosts_until_.has_value(); }
  void bury_ghosts(ModelTime now) {
    if (ghosts_until_ && *ghosts_until_ <= now) {
      ghosts_until_.reset();
      end_busy_time_if_idle();
    }
  }

  void begin_pod() { is_touching_pod_ = true; }
  void end_pod(std::optional<IpAddress> address) {
    is_touching_pod_ = false;
    pod_address_ = address;
  }
  void lose_pod() { pod_address_.reset(); }

  // Nothing runs, and all has been swept: what the server has of it.
  void check_and_learn(const std::vector<IpAddress>& standing) {
    EXPECT_LE(standing.size(), 1U) << owner_.to_string();
    if (knowledge_ == Knowledge::kHas) {
      EXPECT_TRUE(!standing.empty() && standing.front() == address_)
          << owner_.to_string() << " has lost " << address_.to_string();
    } else if (knowledge_ == Knowledge::kHasNone && !may_have_leftovers_) {
      EXPECT_TRUE(standing.empty())
          << owner_.to_string() << " has released " << standing.front().to_string();
    }
    may_have_leftovers_ = false;
    knowledge_ = standing.empty() ? Knowledge::kHasNone : Knowledge::kHas;
    address_ = standing.empty() ? IpAddress() : standing.front();
  }

 private:
  void take_address(const api::IpAllocation& answer, const AllocationRequest& request,
                    const PoolHistory& pools, ModelTime now) {
    EXPECT_TRUE(answer.owner && answer.owner->is_same(owner_)) << owner_.to_string();
    EXPECT_TRUE(!request.address || *request.address == answer.address) << owner_.to_string();
    if (knowledge_ == Knowledge::kHasNone && !may_have_leftovers_) {
      EXPECT_TRUE(pools.had(answer.address, busy_since_, now))
          << owner_.to_string() << " was given " << answer.address.to_string()
          << ", which no pool had then";
    }
    if (was_released_) {
      answered_ = answer.address;
      return;
    }
    if (knowledge_ == Knowledge::kHas) {
      EXPECT_EQ(answer.address.to_string(), address_.to_string())
          << owner_.to_string() << " had another address, which nobody has released";
    }
    if (answered_) {
      EXPECT_EQ(answer.address.to_string(), answered_->to_string())
          << owner_.to_string() << " was given two addresses";
    }
    answered_ = answer.address;
  }

  void take_error(const Error& error, const AllocationRequest& request) {
    has_failed_ = has_failed_ || error.code() == Errc::kUnavailable;
    const bool is_its_own = !request.address || *request.address == address_;
    EXPECT_FALSE(knowledge_ == Knowledge::kHas && !was_released_ && is_its_own &&
                 error.code() != Errc::kUnavailable)
        << owner_.to_string() << " has " << address_.to_string() << ": " << error.message();
  }

  void end() {
    --running_;
    end_busy_time_if_idle();
  }

  void end_busy_time_if_idle() {
    if (!is_idle()) {
      return;
    }
    if (was_released_) {
      // Whether what was given was released again depends on who came first.
      const bool is_certain = !was_asked_ && !was_broken_off_ && !has_failed_;
      knowledge_ = is_certain && knowledge_ != Knowledge::kNothing ? Knowledge::kHasNone
                                                                   : Knowledge::kNothing;
    } else if (answered_) {
      knowledge_ = Knowledge::kHas;
      address_ = *answered_;
    } else if (was_broken_off_ || has_failed_) {
      knowledge_ = knowledge_ == Knowledge::kHas ? Knowledge::kHas : Knowledge::kNothing;
    }
    was_released_ = was_asked_ = was_broken_off_ = has_failed_ = false;
    answered_.reset();
  }

  api::IpOwner owner_;
  Knowledge knowledge_ = Knowledge::kHasNone;
  IpAddress address_;  // of kHas
  // Several for one pod, of which the sweepers have not yet taken all but one.
  bool may_have_leftovers_ = false;
  std::optional<IpAddress> pod_address_;  // that a running pod carries
  bool is_touching_pod_ = false;

  // Of the present busy time.
  int running_ = 0;
  std::optional<ModelTime> ghosts_until_;
  ModelTime busy_since_;
  bool was_released_ = false;
  bool was_asked_ = false;
  bool was_broken_off_ = false;
  bool has_failed_ = false;
  std::optional<IpAddress> answered_;
};

}  // namespace vk8s::ipmanager::testing
