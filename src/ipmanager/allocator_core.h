// What the operations of one Allocator share. Internal; on the loop's thread.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "ipmanager/ledger.h"
#include "ipmanager/owner_search.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

// Those who wait until the watch has shown a version.
class VersionWaiters {
 public:
  // The end of the Registration ends the wait.
  Registration wait(std::uint64_t version, std::function<void()> callback) {
    auto state = std::make_shared<std::function<void()>>(std::move(callback));
    waiting_.emplace(version, state);
    return Registration(std::move(state));
  }

  void tell(std::uint64_t progress) {
    const auto end = waiting_.upper_bound(progress);
    std::vector<std::weak_ptr<std::function<void()>>> due;
    std::transform(waiting_.begin(), end, std::back_inserter(due),
                   [](const auto& each) { return each.second; });
    waiting_.erase(waiting_.begin(), end);
    for (const auto& weak : due) {
      if (const auto callback = weak.lock()) {
        (*callback)();
      }
    }
  }

 private:
  std::multimap<std::uint64_t, std::weak_ptr<std::function<void()>>> waiting_;
};

struct AllocatorCore {
  Timers& timers;
  kube::Client& client;
  Log log;
  Ledger ledger;
  VersionWaiters waiters;
  OwnerSearch owners;
  std::mt19937_64 random;
};

// How long an operation may take: longer than the API server takes to answer under
// load, shorter than a caller waits.
inline constexpr auto kOperationDeadline = std::chrono::seconds(20);

inline kube::ObjectKey key_of(const IpAddress& address) {
  return {.namespace_name = {}, .name = api::allocation_name(address)};
}

// That the API server has not answered in time is that it is away, to whoever asks.
inline Error as_answer(Error error) {
  return error.code() == Errc::kTimeout ? Error(Errc::kUnavailable, error.message())
                                        : std::move(error);
}

inline Error written_since(const api::IpAllocation& live) {
  return {Errc::kConflict, fmt::format("it has been written to since: its resourceVersion is {}",
                                       live.resource_version)};
}

// Whether a request that ended so has surely not been carried out. Of others only a
// look at the object tells.
inline bool is_refusal(const Error& error) {
  switch (error.code()) {
    case Errc::kInvalidArgument:
    case Errc::kNotFound:
    case Errc::kAlreadyExists:
    case Errc::kConflict:
    case Errc::kUnauthorized:
    case Errc::kForbidden:
    case Errc::kGone:
    case Errc::kTooLarge:
    case Errc::kTooManyRequests:
    case Errc::kUnsupported:
      return true;
    default:
      return false;
  }
}

}  // namespace vk8s::ipmanager
