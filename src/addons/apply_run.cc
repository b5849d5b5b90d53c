#include "addons/apply_run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxMessage = 1024;

// What controllers make by themselves in a Namespace that has only just come to be.
bool may_come_by_itself(const ObjectId& id) {
  return id.group.empty() &&
         (id.kind == "ConfigMap" || id.kind == "Secret" || id.kind == "ServiceAccount");
}

}  // namespace

ApplyRun::ApplyRun(Timers& timers, kube::Client& client, std::shared_ptr<const Plan> plan,
                   std::string set_name, ApplyRunOptions options, Log log,
                   std::function<void()> on_change)
    : timers_(timers),
      client_(client),
      plan_(std::move(plan)),
      set_name_(std::move(set_name)),
      options_(options),
      log_(log),
      on_change_(std::move(on_change)),
      resolver_(client),
      states_(plan_->manifests().size()),
      work_(plan_->manifests().size()),
      backoff_(options_.first_backoff, options_.max_backoff),
      watch_(timers, client, *plan_, set_name_, log_,
             {.on_change = [this] { wake(); },
              .on_gone = [this](const ObjectId& id, const std::string& uid) { forget(id, uid); }}) {
  for (std::size_t i = 0; i < plan_->manifests().size(); ++i) {
    by_id_[manifest(i).id] = i;
  }
}

ApplyRun::~ApplyRun() = default;

void ApplyRun::start() {
  watch_.start();
  wake();
}

bool ApplyRun::is_applied() const {
  return std::all_of(states_.begin(), states_.end(), [](const ItemState& state) {
    return state.progress == ItemState::Progress::kApplied;
  });
}

bool ApplyRun::is_ready() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](const ItemState& state) { return state.is_ready; });
}

// Many events come together; one look at all is enough for them.
void ApplyRun::wake() {
  if (!wake_) {
    wake_ = timers_.after(std::chrono::nanoseconds(0), [this] { pump(); });
  }
}

void ApplyRun::pump() {
  wake_.cancel();
  ended_.clear();
  for (std::size_t item = 0; item < states_.size(); ++item) {
    look_at(item);
  }
  for (const std::size_t item : plan_->order) {
    if (in_flight_ >= options_.max_in_flight) {
      break;
    }
    if (states_[item].progress == ItemState::Progress::kWaiting && can_begin(item)) {
      begin(item);
    }
  }
  on_change_();
}

void ApplyRun::look_at(std::size_t item) {
  ItemState& state = states_[item];
  if (state.progress == ItemState::Progress::kApplied) {
    Readiness readiness = readiness_of_item(item);
    state.is_ready = readiness.is_ready;
    state.message = std::move(readiness.message);
  }
}

Readiness ApplyRun::readiness_of_item(std::size_t item) const {
  const ObjectId& id = manifest(item).id;
  if (!has_readiness(id) || is_namespace(id.group, id.kind) || states_[item].is_foreign) {
    return {.is_ready = true, .message = ""};
  }
  const kube::ObjectPtr live = watch_.find(id);
  if (!live || text_at(*live, "metadata.uid") != work_[item].uid) {
    return {.is_ready = false, .message = "it has not been seen yet"};
  }
  if (std::string missing = missing_endpoints(item); !missing.empty()) {
    return {.is_ready = false, .message = std::move(missing)};
  }
  return readiness_of(id, *live, work_[item].generation);
}

std::string ApplyRun::missing_endpoints(std::size_t item) const {
  for (const Need& need : plan_->needs[item]) {
    if (need.kind == Need::Kind::kEndpoints && !watch_.has_ready_endpoint(need.service)) {
      return base::printable(fmt::format("Service {}/{} has no ready endpoint",
                                         need.service.namespace_name, need.service.name),
                             512);
    }
  }
  return "";
}

bool ApplyRun::is_usable(std::size_t item) const {
  const ItemState& state = states_[item];
  if (state.is_ready || state.progress != ItemState::Progress::kApplied) {
    return state.is_ready;
  }
  const ObjectId& id = manifest(item).id;
  return is_webhook_configuration(id.group, id.kind) && missing_endpoints(item).empty() &&
         timers_.now() - work_[item].applied_at >= options_.ca_patience;
}

bool ApplyRun::holds(const Need& need) const {
  switch (need.kind) {
    case Need::Kind::kApplied:
      return states_[need.item].progress == ItemState::Progress::kApplied;
    case Need::Kind::kReady:
      return is_usable(need.item);
    case Need::Kind::kEndpoints:
      return watch_.has_ready_endpoint(need.service);
  }
  return false;
}

bool ApplyRun::can_begin(std::size_t item) const {
  const std::vector<Need>& needs = plan_->needs[item];
  return std::all_of(needs.begin(), needs.end(), [this](const Need& need) { return holds(need); });
}

std::string ApplyRun::describe_wait(std::size_t item) const {
  for (const Need& need : plan_->needs[item]) {
    if (holds(need)) {
      continue;
    }
    if (need.kind == Need::Kind::kEndpoints) {
      return base::printable(fmt::format("waits for a ready endpoint of Service {}/{}",
                                         need.service.namespace_name, need.service.name),
                             kMaxMessage);
    }
    const ItemState& other = states_[need.item];
    const std::string why = other.error ? other.error->message() : other.message;
    return base::printable(fmt::format("waits for {}{}{}", manifest(need.item).id.to_string(),
                                       why.empty() ? "" : ": ", why),
                           kMaxMessage);
  }
  return "";
}

// Nobody else can have been there: its kind, or the Namespace it is in, was made a
// moment ago, and this is the first try.
bool ApplyRun::is_known_absent(std::size_t item) const {
  if (work_[item].attempts > 0 || may_come_by_itself(manifest(item).id)) {
    return false;
  }
  return std::any_of(plan_->needs[item].begin(), plan_->needs[item].end(), [&](const Need& need) {
    if (need.kind != Need::Kind::kReady || !states_[need.item].is_created) {
      return false;
    }
    const Stage stage = manifest(need.item).stage;
    return stage == Stage::kNamespaces ||
           (stage == Stage::kDefinitions && manifest(item).stage == Stage::kCustomResources);
  });
}

void ApplyRun::begin(std::size_t item) {
  const Manifest& one = manifest(item);
  states_[item].progress = ItemState::Progress::kBusy;
  ++in_flight_;
  if (!one.plural.empty()) {
    begin_as(item, {one.id.group, one.version, one.plural, one.id.kind, one.namespaced});
    return;
  }
  resolver_.resolve(one.id, one.version, [this, item](Result<kube::Resource> resource) {
    if (resource) {
      begin_as(item, *resource);
    } else {
      end(item, tl::unexpected<Error>(std::move(resource).error()));
    }
  });
}

void ApplyRun::begin_as(std::size_t item, const kube::Resource& resource) {
  ApplyRequest request{.id = manifest(item).id,
                       .resource = resource,
                       .wanted = marked(manifest(item), set_name_),
                       .set_name = set_name_,
                       .is_known_absent = is_known_absent(item)};
  settle_scope(request.id, request.wanted, resource.namespaced);
  work_[item].task = std::make_unique<ApplyTask>(
      client_, std::move(request),
      [this, item](Result<ApplyOutcome> outcome) { end(item, std::move(outcome)); });
  work_[item].task->start();
}

void ApplyRun::end(std::size_t item, Result<ApplyOutcome> outcome) {
  --in_flight_;
  if (work_[item].task) {
    ended_.push_back(std::move(work_[item].task));
  }
  if (outcome) {
    take_outcome(item, std::move(*outcome));
  } else {
    back_off(item, std::move(outcome).error());
  }
  wake();
}

void ApplyRun::take_outcome(std::size_t item, ApplyOutcome outcome) {
  const ObjectId& id = manifest(item).id;
  if (outcome.is_foreign) {
    // Nobody watches it.
    const Readiness readiness = readiness_of(id, outcome.live, outcome.generation);
    if (!readiness.is_ready) {
      back_off(item, {Errc::kUnavailable,
                      fmt::format("{}: {}; {}", id.to_string(), outcome.note, readiness.message)});
      return;
    }
  }
  ItemState& state = states_[item];
  state = {.progress = ItemState::Progress::kApplied,
           .is_foreign = outcome.is_foreign,
           .is_created = outcome.is_created,
           .note = std::move(outcome.note),
           .kept = std::move(outcome.kept)};
  Work& work = work_[item];
  work.attempts = 0;
  work.uid = std::move(outcome.uid);
  work.generation = outcome.generation;
  work.applied_at = timers_.now();
  log_.debug("applied", {{"object", id.to_string()}, {"created", outcome.is_created}});
  if (is_webhook_configuration(id.group, id.kind)) {
    // The last of them is what the others may have to wait for.
    patience_ = timers_.after(options_.ca_patience, [this] { wake(); });
  }
}

void ApplyRun::back_off(std::size_t item, Error error) {
  ItemState& state = states_[item];
  Work& work = work_[item];
  const bool is_refused = !is_transient(error);
  const bool is_news = !state.error || state.error->message() != error.message();
  const auto delay =
      is_refused ? options_.refused_backoff : backoff_.delay_of(std::min(work.attempts, 16U));
  if (is_news) {
    log_.warning("not applied", {{"retry_ms", delay.count()}, {"error", error.message()}});
  }
  ++work.attempts;
  state.progress = ItemState::Progress::kBackingOff;
  state.is_refused = is_refused;
  state.is_ready = false;
  state.error = std::move(error);
  work.retry = timers_.after(delay, [this, item] {
    states_[item].progress = ItemState::Progress::kWaiting;
    wake();
  });
}

// Somebody has deleted what was applied.
void ApplyRun::forget(const ObjectId& id, const std::string& uid) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || work_[found->second].uid != uid ||
      states_[found->second].progress != ItemState::Progress::kApplied) {
    return;
  }
  states_[found->second] = {};
  work_[found->second].attempts = 1;
}

}  // namespace vk8s::addons
