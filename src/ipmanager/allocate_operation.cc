#include "ipmanager/allocate_operation.h"

#include <fmt/format.h>

#include "base/text.h"

namespace vk8s::ipmanager {
namespace {

// So often the world may change under an operation before it says so.
constexpr int kMaxRounds = 100;

const kube::Resource& kKind = kube::resources::kIPAllocation;

std::string describe_holder(const api::IpAllocation& holder,
                            const std::optional<api::IpOwner>& wanted_by) {
  std::string out;
  if (!holder.owner) {
    out = holder.note.empty() ? "reserved"
                              : fmt::format("reserved: {}", base::printable(holder.note, 256));
  } else if (wanted_by && wanted_by->to_string() == holder.owner->to_string()) {
    out = fmt::format("taken by an earlier {} (uid of its Vk8s: \"{}\")", holder.owner->to_string(),
                      base::printable(holder.owner->cluster_uid, 64));
  } else {
    out = fmt::format("taken by {}", base::printable(holder.owner->to_string(), 512));
  }
  return holder.releasing ? out + "; it has been given back, and is free once no pod has it" : out;
}

}  // namespace

AllocateOperation::AllocateOperation(AllocatorCore& core, AllocationRequest request, Done done)
    : core_(core),
      request_(std::move(request)),
      done_(std::move(done)),
      word_(fmt::format("{:016x}", core.random())) {
  deadline_ = core_.timers.after(kOperationDeadline, [this] {
    fail_with({Errc::kUnavailable,
               fmt::format("the API server has not shown within {} s what became of it: ask again",
                           kOperationDeadline.count())});
  });
}

AllocateOperation::~AllocateOperation() { drop_claim(); }

void AllocateOperation::start() {
  if (!std::exchange(is_started_, true)) {
    look_up();
  }
}

void AllocateOperation::abort(Error error) { fail_with(std::move(error)); }

void AllocateOperation::answer(Result<api::IpAllocation> result) {
  call_.cancel();
  wait_.cancel();
  search_.cancel();
  deadline_.cancel();
  drop_claim();
  if (const Done done = std::exchange(done_, nullptr)) {
    done(std::move(result));
  }
}

void AllocateOperation::fail_with(Error error) {
  error = as_answer(std::move(error));
  const std::string what = request_.owner ? request_.owner->to_string() : "nobody";
  answer(tl::unexpected<Error>(
      request_.address
          ? std::move(error).context("allocate {} to {}", request_.address->to_string(), what)
          : std::move(error).context("allocate an address to {}", what)));
}

kube::Client::Callback AllocateOperation::then(Callback step) {
  return [this, step](Result<Json> result) { (this->*step)(std::move(result)); };
}

void AllocateOperation::claim(Place place) {
  drop_claim();
  core_.ledger.claim(place.address);
  place_ = std::move(place);
}

void AllocateOperation::drop_claim() {
  if (place_) {
    core_.ledger.unclaim(place_->address);
    place_.reset();
  }
}

bool AllocateOperation::is_of_use(const api::IpAllocation& allocation) const {
  if (skipped_.contains(allocation.uid)) {
    return false;
  }
  // What was given back is taken again only where it could be given anew.
  return !allocation.releasing || (core_.ledger.allows(request_, allocation.address) &&
                                   (!request_.address || *request_.address == allocation.address));
}

void AllocateOperation::look_up() {
  drop_claim();
  core_.ledger.forget_hidden(core_.timers.now());
  if (++rounds_ > kMaxRounds) {
    fail_with({Errc::kUnavailable, "others were always faster: ask again"});
    return;
  }
  if (request_.owner) {
    for (AllocationIndex::Held& held : core_.ledger.allocations().find_by_owner(*request_.owner)) {
      if (is_of_use(held.allocation)) {
        own_ = std::move(held);
        read_own();
        return;
      }
    }
  }
  if (request_.resource_version.empty()) {
    choose();
  } else {
    fail_with({Errc::kConflict, "it has been given back since"});
  }
}

void AllocateOperation::read_own() {
  call_ =
      core_.client.get(kKind, key_of(own_->allocation.address), then(&AllocateOperation::take_own));
}

void AllocateOperation::take_own(Result<Json> object) {
  if (!object && object.error().code() != Errc::kNotFound) {
    fail_with(std::move(object).error());
    return;
  }
  const auto live = object ? api::parse_ip_allocation(*object)
                           : Result<api::IpAllocation>(tl::unexpected<Error>(object.error()));
  if (!live || live->uid != own_->allocation.uid || !live->owner ||
      !live->owner->is_same(*request_.owner) || !is_of_use(*live)) {
    skipped_.insert(own_->allocation.uid);
    look_up();
    return;
  }
  if (request_.address && *request_.address != live->address) {
    fail_with({Errc::kAlreadyExists,
               fmt::format("it has {} already: release that first", live->address.to_string())});
  } else if (claim_word_of(*object) == word_) {
    settle_when_seen(*live, false);  // the answer to taking it over was lost
  } else if (!request_.resource_version.empty() &&
             request_.resource_version != live->resource_version) {
    fail_with(written_since(*live));
  } else if (live->releasing || own_->contested) {
    take_over(*live);
  } else {
    answer(*live);
  }
}

void AllocateOperation::take_over(const api::IpAllocation& live) {
  JsonObject annotations;
  annotations[kClaimAnnotation] = word_;
  JsonObject metadata;
  metadata["resourceVersion"] = live.resource_version;
  metadata["annotations"] = std::move(annotations);
  JsonObject patch;
  patch["metadata"] = std::move(metadata);
  JsonObject spec{{"releasing", nullptr}};
  if (!live.owner) {
    const Json wanted = api::to_json(api::IpAllocation{.owner = request_.owner});
    spec["owner"] = wanted.at("spec").at("owner");
  }
  patch["spec"] = std::move(spec);
  call_ = core_.client.merge_patch(kKind, key_of(live.address), patch,
                                   then(&AllocateOperation::take_written));
}

void AllocateOperation::take_written(Result<Json> object) {
  if (!object) {
    if (is_refusal(object.error()) && object.error().code() != Errc::kConflict &&
        object.error().code() != Errc::kNotFound) {
      fail_with(std::move(object).error());
    } else {
      look_up();
    }
    return;
  }
  auto ours = api::parse_ip_allocation(*object);
  if (ours) {
    settle_when_seen(*std::move(ours), false);
  } else {
    fail_with(std::move(ours).error());
  }
}

void AllocateOperation::choose() {
  auto place = request_.address || !request_.owner ? core_.ledger.check_wish(request_)
                                                   : core_.ledger.choose(request_, attempt_++);
  if (!place) {
    confirm_refusal(std::move(place).error());
    return;
  }
  claim(*std::move(place));
  if (request_.reservation) {
    read_place();
  } else {
    create();
  }
}

void AllocateOperation::confirm_refusal(Error error) {
  if (!request_.owner || request_.reservation) {
    fail_with(std::move(error));
    return;
  }
  refusal_ = std::move(error);
  if (request_.address) {
    call_ = core_.client.get(kKind, key_of(*request_.address),
                             [this](const Result<Json>& object) { take_wish(object); });
  } else {
    search_ = core_.owners.find(
        *request_.owner,
        [this](const Result<std::vector<api::IpAllocation>>& found) { take_owned(found); });
  }
}

void AllocateOperation::take_wish(const Result<Json>& object) {
  if (!object && object.error().code() != Errc::kNotFound) {
    take_owned(tl::unexpected<Error>(object.error()));
    return;
  }
  std::vector<api::IpAllocation> found;
  if (const auto live = object ? api::parse_ip_allocation(*object) : Result<api::IpAllocation>();
      live && live->owner && live->owner->is_same(*request_.owner)) {
    found.push_back(*live);
  }
  take_owned(found);
}

void AllocateOperation::take_owned(const Result<std::vector<api::IpAllocation>>& found) {
  if (!found) {
    fail_with({Errc::kUnavailable, found.error().message()});
    return;
  }
  const auto own = std::find_if(found->begin(), found->end(),
                                [this](const auto& each) { return is_of_use(each); });
  if (own == found->end()) {
    fail_with(*std::exchange(refusal_, std::nullopt));
  } else {
    wait_for(version_of(own->resource_version), &AllocateOperation::look_up);
  }
}

void AllocateOperation::create() {
  Json object = api::to_json(api::IpAllocation{.address = place_->address,
                                               .pool = place_->pool,
                                               .owner = request_.owner,
                                               .note = request_.note});
  JsonObject annotations;
  annotations[kClaimAnnotation] = word_;
  object.at("metadata").as_object()["annotations"] = std::move(annotations);
  call_ = core_.client.create(kKind, "", object, then(&AllocateOperation::take_created));
}

void AllocateOperation::take_created(Result<Json> object) {
  if (!object) {
    if (is_refusal(object.error()) && object.error().code() != Errc::kAlreadyExists) {
      fail_with(std::move(object).error());
    } else {
      read_place();
    }
    return;
  }
  auto ours = api::parse_ip_allocation(*object);
  if (ours) {
    settle_when_seen(*std::move(ours), true);
  } else {
    fail_with(std::move(ours).error());
  }
}

void AllocateOperation::read_place() {
  call_ = core_.client.get(kKind, key_of(place_->address), then(&AllocateOperation::take_place));
}

void AllocateOperation::take_place(Result<Json> object) {
  if (!object) {
    if (object.error().code() != Errc::kNotFound) {
      fail_with(std::move(object).error());
    } else if (request_.reservation) {
      fail_with({Errc::kNotFound, "it is not reserved"});
    } else if (++rounds_ > kMaxRounds) {
      fail_with({Errc::kUnavailable, "its creation is always lost: ask again"});
    } else {
      // Should the lost creation come after all, this one finds it, by its word.
      create();
    }
    return;
  }
  const auto live = api::parse_ip_allocation(*object);
  if (!live) {
    refuse_or_go_on(std::nullopt);
  } else if (claim_word_of(*object) == word_) {
    settle_when_seen(*live, !request_.reservation);
  } else if (request_.reservation && !live->owner && !live->releasing) {
    take_reservation(*live);
  } else if (request_.owner && live->owner && live->owner->is_same(*request_.owner)) {
    // Somebody else has taken it for the same pod.
    wait_for(version_of(live->resource_version), &AllocateOperation::look_up);
  } else {
    refuse_or_go_on(*live);
  }
}

// Should the pod turn out to have an address already, this one is given back (give_up()):
// nobody can be sure that no pod has taken it by its owner's name.
void AllocateOperation::take_reservation(const api::IpAllocation& live) {
  if (!request_.reservation->empty() && *request_.reservation != live.resource_version) {
    fail_with(written_since(live));
  } else {
    take_over(live);
  }
}

void AllocateOperation::refuse_or_go_on(const std::optional<api::IpAllocation>& holder) {
  if (request_.address) {
    fail_with({Errc::kAlreadyExists,
               fmt::format("it is {}", holder ? describe_holder(*holder, request_.owner)
                                              : "taken by an IPAllocation that cannot be read")});
    return;
  }
  const std::uint64_t version =
      holder ? version_of(holder->resource_version) : core_.ledger.progress() + 1;
  core_.ledger.hide(place_->address, version, core_.timers.now());
  look_up();
}

void AllocateOperation::wait_for(std::uint64_t version, void (AllocateOperation::*step)()) {
  call_.cancel();
  if (core_.ledger.progress() >= version) {
    (this->*step)();
  } else {
    wait_ = core_.waiters.wait(version, [this, step] { (this->*step)(); });
  }
}

void AllocateOperation::settle_when_seen(api::IpAllocation ours, bool is_created) {
  is_created_ = is_created;
  ours_ = std::move(ours);
  wait_for(version_of(ours_->resource_version), &AllocateOperation::settle);
}

void AllocateOperation::settle() {
  wait_.cancel();
  if (!request_.owner) {
    answer(*ours_);
    return;
  }
  const auto held = core_.ledger.allocations().find_by_owner(*request_.owner);
  if (held.empty() || held.front().allocation.releasing) {
    look_up();  // it has been given back meanwhile
  } else if (held.front().allocation.uid == ours_->uid) {
    answer(held.front().allocation);
  } else {
    give_up();
  }
}

// Another claim is earlier. What nobody was told of may be deleted; what a pod may
// have is given back. Neither, if somebody has written to it since.
void AllocateOperation::give_up() {
  const auto taken = then(&AllocateOperation::take_given_up);
  if (is_created_) {
    call_ = core_.client.remove(kKind, key_of(ours_->address),
                                {.uid = ours_->uid, .resource_version = ours_->resource_version},
                                taken);
    return;
  }
  const JsonObject patch{{"metadata", JsonObject{{"resourceVersion", ours_->resource_version}}},
                         {"spec", JsonObject{{"releasing", true}}}};
  call_ = core_.client.merge_patch(kKind, key_of(ours_->address), patch, taken);
}

void AllocateOperation::take_given_up(Result<Json> answered) {
  if (!answered && answered.error().code() != Errc::kNotFound &&
      answered.error().code() != Errc::kConflict) {
    fail_with(std::move(answered).error());
    return;
  }
  look_up();
}

}  // namespace vk8s::ipmanager
