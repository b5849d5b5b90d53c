#include "ipmanager/release_operation.h"

#include <fmt/format.h>

#include "api/vk8s.h"
#include "base/text.h"
#include "kube/not_found.h"

namespace vk8s::ipmanager {
namespace {

constexpr int kMaxRounds = 20;
constexpr auto kSeenLimit = std::chrono::seconds(2);

Error not_as_expected(const api::IpAllocation& live, const Expect& expect) {
  const auto* owner = std::get_if<api::IpOwner>(&expect.holder);
  const std::string is =
      live.owner ? base::printable(live.owner->to_string(), 512) + "'s" : std::string("reserved");
  return {
      Errc::kAlreadyExists,
      fmt::format("it is {}, not {}", is,
                  owner == nullptr ? "reserved" : base::printable(owner->to_string(), 512) + "'s")};
}

}  // namespace

Expect Expect::owner(api::IpOwner owner) {
  Expect out;
  out.holder = std::move(owner);
  return out;
}

Expect Expect::holder_of(const api::IpAllocation& allocation) {
  if (allocation.owner) {
    return owner(*allocation.owner);
  }
  Expect out;
  out.holder = Nobody();
  return out;
}

bool Expect::is_met_by(const api::IpAllocation& allocation) const {
  if (!resource_version.empty() && resource_version != allocation.resource_version) {
    return false;
  }
  if (const auto* owner = std::get_if<api::IpOwner>(&holder)) {
    return allocation.owner && allocation.owner->is_same(*owner);
  }
  return std::holds_alternative<Anybody>(holder) || !allocation.owner;
}

ReleaseOperation::ReleaseOperation(AllocatorCore& core, IpAddress address, Expect expect, Done done)
    : core_(core), address_(address), expect_(std::move(expect)), done_(std::move(done)) {
  deadline_ = core_.timers.after(kOperationDeadline, [this] {
    abort({Errc::kUnavailable, fmt::format("no answer from the API server within {} s: ask again",
                                           kOperationDeadline.count())});
  });
}

void ReleaseOperation::start() {
  const auto held = core_.ledger.allocations().find(address_);
  if (held && !held->allocation.releasing && expect_.is_met_by(held->allocation)) {
    consider(held->allocation);
  } else {
    read();
  }
}

void ReleaseOperation::abort(Error error) {
  answer(tl::unexpected<Error>(
      as_answer(std::move(error)).context("release {}", address_.to_string())));
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
    return;
  }
  Expect of_any_version = expect_;
  of_any_version.resource_version.clear();
  if (!of_any_version.is_met_by(*live)) {
    abort(not_as_expected(*live, expect_));
  } else if (live->releasing && (is_perhaps_marked_ || expect_.is_met_by(*live))) {
    wait_until_seen(version_of(live->resource_version));
  } else if (!expect_.is_met_by(*live)) {
    abort(written_since(*live));
  } else {
    consider(*live);
  }
}

void ReleaseOperation::consider(const api::IpAllocation& allocation) {
  if (!expect_.is_of_no_living_node || !allocation.owner || allocation.owner->cluster.empty()) {
    mark(allocation.resource_version);
    return;
  }
  call_ = core_.client.get(
      kube::resources::kVk8s, {allocation.owner->namespace_name, allocation.owner->cluster},
      [this, allocation](const Result<Json>& vk8s) { take_cluster(allocation, vk8s); });
}

void ReleaseOperation::take_cluster(const api::IpAllocation& allocation, const Result<Json>& vk8s) {
  const api::IpOwner& owner = *allocation.owner;
  const bool is_gone = vk8s ? base::get_string(*vk8s, "metadata.uid") != owner.cluster_uid
                            : kube::says_it_is_gone(vk8s.error(), owner.cluster);
  if (is_gone) {
    mark(allocation.resource_version);
    return;
  }
  if (!vk8s) {
    // Not knowing is not being gone.
    abort({Errc::kUnavailable,
           fmt::format("whether Vk8s {}/{} still has node {} cannot be seen: {}",
                       owner.namespace_name, owner.cluster, owner.node, vk8s.error().message())});
    return;
  }
  const auto cluster = api::parse_vk8s(*vk8s);
  const api::NodeSpec* node = cluster ? cluster->find_node(owner.node) : nullptr;
  if (cluster && (node == nullptr || !cluster->wants_address(*node))) {
    mark(allocation.resource_version);
    return;
  }
  abort(
      {Errc::kAlreadyExists,
       fmt::format("it is of node {} of Vk8s {}/{}, which would take it again: remove the node, or "
                   "delete that Vk8s, and it is given back by itself",
                   owner.node, owner.namespace_name, owner.cluster)});
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
    return;
  }
  const Errc code = object.error().code();
  if (code == Errc::kNotFound) {
    answer({});
  } else if (code == Errc::kConflict) {
    // Somebody has written to it: what is expected of it is looked at anew.
    read();
  } else if (is_refusal(object.error())) {
    abort(object.error());
  } else {
    is_perhaps_marked_ = true;
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
