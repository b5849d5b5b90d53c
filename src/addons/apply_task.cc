#include "addons/apply_task.h"

#include <utility>

namespace vk8s::addons {
namespace {

// So often others may write between our reading and our writing.
constexpr int kMaxRounds = 3;

}  // namespace

ApplyTask::ApplyTask(kube::Client& client, ApplyRequest request, Done done)
    : client_(client), request_(std::move(request)), done_(std::move(done)) {}

void ApplyTask::start() {
  if (request_.is_known_absent) {
    outcome_.is_created = true;
    apply(request_.wanted);
  } else {
    read();
  }
}

void ApplyTask::read() {
  if (++rounds_ > kMaxRounds) {
    fail_with(*std::move(conflict_));
    return;
  }
  call_ = client_.get(request_.resource, request_.id.key(),
                      [this](Result<Json> live) { take_live(std::move(live)); });
}

void ApplyTask::take_live(Result<Json> live) {
  outcome_ = {};
  live_uid_.clear();
  if (!live && live.error().code() == Errc::kNotFound) {
    outcome_.is_created = true;
    apply(request_.wanted);
    return;
  }
  if (!live) {
    fail_with(std::move(live).error());
    return;
  }
  live_uid_ = text_at(*live, "metadata.uid");
  ApplyDecision decision = decide(request_.wanted, *live, request_.set_name);
  outcome_.kept = std::move(decision.kept);
  switch (decision.action) {
    case ApplyAction::kApply:
      apply(std::move(decision.object));
      return;
    case ApplyAction::kKeep:
      finish(std::move(*live));
      return;
    case ApplyAction::kUseForeign:
      outcome_.is_foreign = true;
      outcome_.note = std::move(decision.reason);
      finish(std::move(*live));
      return;
    case ApplyAction::kRefuse:
      fail_with({Errc::kAlreadyExists, std::move(decision.reason)});
      return;
    case ApplyAction::kWait:
      fail_with({Errc::kConflict, std::move(decision.reason)});
      return;
  }
}

void ApplyTask::apply(Json object) {
  call_ = client_.apply(request_.resource, object, {.field_manager = kFieldManager, .force = false},
                        [this](Result<Json> applied) { take_applied(std::move(applied)); });
}

void ApplyTask::take_applied(Result<Json> applied) {
  if (applied) {
    finish(std::move(*applied));
  } else if (applied.error().code() == Errc::kConflict) {
    // Somebody owns a field, or was faster: the next look says who.
    conflict_ = std::move(applied).error();
    read();
  } else if (!live_uid_.empty() && may_be_replaced(request_.id, applied.error())) {
    replace();
  } else {
    fail_with(std::move(applied).error());
  }
}

void ApplyTask::replace() {
  call_ = client_.remove(request_.resource, request_.id.key(), {.uid = live_uid_},
                         [this](Result<Json> removed) { take_removed(std::move(removed)); });
}

void ApplyTask::take_removed(Result<Json> removed) {
  if (!removed && removed.error().code() != Errc::kNotFound) {
    fail_with(std::move(removed).error());
    return;
  }
  fail_with({Errc::kConflict, "it cannot be changed, and is made anew"});
}

void ApplyTask::finish(Json live) {
  outcome_.uid = text_at(live, "metadata.uid");
  outcome_.generation = base::get_int(live, "metadata.generation").value_or(0);
  outcome_.live = std::move(live);
  if (const Done done = std::exchange(done_, nullptr)) {
    done(std::move(outcome_));
  }
}

void ApplyTask::fail_with(Error error) {
  if (const Done done = std::exchange(done_, nullptr)) {
    done(tl::unexpected<Error>(std::move(error).context("{}", request_.id.to_string())));
  }
}

}  // namespace vk8s::addons
