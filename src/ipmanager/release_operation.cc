#include "ipmanager/release_operation.h"

#include <fmt/format.h>

namespace vk8s::ipmanager {
namespace {

constexpr int kMaxRounds = 20;
constexpr auto kSeenLimit = std::chrono::seconds(2);

}  // namespace

ReleaseOperation::ReleaseOperation(AllocatorCore& core, IpAddress address,
                                   std::optional<api::IpOwner> owner, Done done)
    : core_(core), address_(address), owner_(std::move(owner)), done_(std::move(done)) {
  deadline_ = core_.timers.after(kOperationDeadline, [this] {
    abort({Errc::kUnavailable, fmt::format("no answer from the API server within {} s: ask again",
                                           kOperationDeadline.count())});
  });
}

void ReleaseOperation::start() {
  const auto held = core_.ledger.allocations().find(address_);
  if (held && !held->allocation.releasing && is_of_owner(held->allocation)) {
    mark(held->allocation.resource_version);
  } else {
    read();
  }
}

void ReleaseOperation::abort(Error error) {
  answer(tl::unexpected<Error>(std::move(error).context("release {}", address_.to_string())));
}

void ReleaseOperation::answer(Status status) {
  call_.cancel();
  wait_.cancel();
  wait_limit_.cancel();
  deadline_.cancel();
  if (const Done done = std::exchange(done_, nullptr)) {
    done(std::move(status));
  }
}

bool ReleaseOperation::is_of_owner(const api::IpAllocation& allocation) const {
  return !owner_ || (allocation.owner && allocation.owner->is_same(*owner_));
}

void ReleaseOperation::read() {
  if (++rounds_ > kMaxRounds) {
    abort({Errc::kUnavailable, "others change it all the time: ask again"});
    return;
  }
  call_ = core_.client.get(kube::resources::kIPAllocation, key_of(address_),
                           [this](const Result<Json>& object) { take_read(object); });
}

void ReleaseOperation::take_read(const Result<Json>& object) {
  if (!object) {
    if (object.error().code() == Errc::kNotFound) {
      answer({});
    } else {
      abort(object.error());
    }
    return;
  }
  const auto live = api::parse_ip_allocation(*object);
  if (!live) {
    abort(live.error());
  } else if (!is_of_owner(*live)) {
    abort({Errc::kForbidden,
           fmt::format("it is {}, not {}'s",
                       live->owner ? live->owner->to_string() + "'s" : std::string("reserved"),
                       owner_->to_string())});
  } else if (live->releasing) {
    wait_until_seen(version_of(live->resource_version));
  } else {
    mark(live->resource_version);
  }
}

void ReleaseOperation::mark(const std::string& resource_version) {
  const JsonObject patch{{"metadata", JsonObject{{"resourceVersion", resource_version}}},
                         {"spec", JsonObject{{"releasing", true}}}};
  call_ = core_.client.merge_patch(kube::resources::kIPAllocation, key_of(address_), patch,
                                   [this](const Result<Json>& object) { take_marked(object); });
}

void ReleaseOperation::take_marked(const Result<Json>& object) {
  if (object) {
    wait_until_seen(version_of(base::get_string(*object, "metadata.resourceVersion").value_or("")));
  } else if (object.error().code() == Errc::kNotFound) {
    answer({});
  } else if (is_refusal(object.error()) && object.error().code() != Errc::kConflict) {
    abort(object.error());
  } else {
    read();
  }
}

void ReleaseOperation::wait_until_seen(std::uint64_t version) {
  call_.cancel();
  if (core_.ledger.progress() >= version) {
    answer({});
    return;
  }
  wait_ = core_.waiters.wait(version, [this] { answer({}); });
  wait_limit_ = core_.timers.after(kSeenLimit, [this] { answer({}); });
}

}  // namespace vk8s::ipmanager
