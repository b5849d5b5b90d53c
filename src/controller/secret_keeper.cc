#include "controller/secret_keeper.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <variant>

#include "controller/object_writer.h"

namespace vk8s::controller {
namespace {

// How long a Secret that was right is not looked at, so that one that somebody
// deleted or that is due for renewal is found.
constexpr std::chrono::minutes kFreshFor(30);

// A Secret that could not be made anew is not there.
Problem content_problem(const Error& error) {
  Problem out = write_problem(error);
  if (error.code() == Errc::kNotFound) {
    out.reason = reason::kAuthorityLost;
  }
  return out;
}

}  // namespace

// One Secret on its way through ensure().
struct SecretKeeper::Step {
  const SecretResource* secret = nullptr;
  ObjectRef ref;
  Json stored;  // null: there is none
  SecretResource::Content existing;
  SecretResource::Content wanted;
  bool done = false;
  bool must_read = false;

  bool is_right() const {
    return !stored.is_null() && existing.files == wanted.files && existing.note == wanted.note;
  }
};

SecretKeeper::SecretKeeper(BatchClient& client, Now now) : client_(client), now_(std::move(now)) {}

bool SecretKeeper::are_fresh(const Cluster& cluster,
                             const std::vector<const SecretResource*>& secrets) const {
  const std::lock_guard lock(mutex_);
  const auto of_cluster = checked_.find(key_of(cluster));
  if (of_cluster == checked_.end()) {
    return false;
  }
  for (const SecretResource* secret : secrets) {
    const auto at = of_cluster->second.find(secret->ref(cluster).key.name);
    if (at == of_cluster->second.end() || at->second.until <= now_() ||
        at->second.inputs != fingerprint({secret->inputs(cluster)})) {
      return false;
    }
  }
  return true;
}

OrProblem<std::vector<SecretResource::Content>> SecretKeeper::ensure(
    const Cluster& cluster, const std::vector<const SecretResource*>& secrets, bool likely_new) {
  std::vector<Step> steps;
  for (const SecretResource* secret : secrets) {
    Step step;
    step.secret = secret;
    step.ref = secret->ref(cluster);
    step.must_read = !likely_new;
    steps.push_back(std::move(step));
  }
  // At most twice: create unread, and where that meets an object, read and mend it.
  for (int round = 0; round < 2; ++round) {
    if (auto read_all = read(steps, round > 0); !read_all) {
      return tl::unexpected<Problem>(std::move(read_all).error());
    }
    if (auto wrote_all = write(cluster, steps); !wrote_all) {
      return tl::unexpected<Problem>(std::move(wrote_all).error());
    }
  }
  std::vector<SecretResource::Content> out;
  const std::lock_guard lock(mutex_);
  auto& checked = checked_[key_of(cluster)];
  for (Step& step : steps) {
    if (!step.done) {
      return tl::unexpected<Problem>(write_problem(
          Error(Errc::kConflict, step.ref.to_string() + " is being written by another")));
    }
    checked[step.ref.key.name] = {fingerprint({step.secret->inputs(cluster)}), now_() + kFreshFor};
    out.push_back(std::move(step.wanted));
  }
  return out;
}

OrProblem<std::monostate> SecretKeeper::read(std::vector<Step>& steps, bool after_create) {
  std::vector<BatchClient::Request> requests;
  std::vector<Step*> asked;
  for (Step& step : steps) {
    if (!step.done && step.must_read) {
      requests.push_back(get_request(*step.ref.resource, step.ref.key));
      asked.push_back(&step);
    }
  }
  std::vector<Result<Json>> results = client_.run(std::move(requests));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i] && (after_create || results[i].error().code() != Errc::kNotFound)) {
      return tl::unexpected<Problem>(write_problem(results[i].error()));
    }
    if (results[i]) {
      asked[i]->stored = *std::move(results[i]);
    }
  }
  return std::monostate();
}

OrProblem<std::monostate> SecretKeeper::write(const Cluster& cluster, std::vector<Step>& steps) {
  std::vector<BatchClient::Request> requests;
  std::vector<Step*> written;
  for (Step& step : steps) {
    if (step.done) {
      continue;
    }
    if (!step.stored.is_null()) {
      if (!is_owned_by(step.stored, cluster.vk8s.metadata.uid)) {
        return tl::unexpected<Problem>(conflict_problem(cluster, step.ref, step.stored));
      }
      auto existing = parse_secret(step.stored);
      if (!existing) {
        return tl::unexpected<Problem>(
            write_problem(std::move(existing).error().context("read {}", step.ref.to_string())));
      }
      step.existing = *std::move(existing);
    }
    auto wanted = step.secret->content(cluster, step.existing, now_());
    if (!wanted) {
      return tl::unexpected<Problem>(content_problem(wanted.error()));
    }
    step.wanted = *std::move(wanted);
    if (step.is_right()) {
      step.done = true;
      continue;
    }
    Json object = secret_object(cluster, step.ref, step.wanted);
    written.push_back(&step);
    if (step.stored.is_null()) {
      requests.push_back(
          create_request(*step.ref.resource, step.ref.key.namespace_name, std::move(object)));
    } else {
      // Of the very object that was read, and no other.
      JsonObject& metadata = object.get_object()["metadata"].get_object();
      metadata["uid"] = *base::find(step.stored, "metadata.uid");
      metadata["resourceVersion"] = *base::find(step.stored, "metadata.resourceVersion");
      requests.push_back(update_request(*step.ref.resource, std::move(object)));
    }
  }
  std::vector<Result<Json>> results = client_.run(std::move(requests));
  for (std::size_t i = 0; i < results.size(); ++i) {
    Step& step = *written[i];
    step.done = results[i].has_value();
    step.must_read = !results[i] && results[i].error().code() == Errc::kAlreadyExists;
    if (!step.done && !step.must_read) {
      return tl::unexpected<Problem>(write_problem(results[i].error()));
    }
  }
  return std::monostate();
}

void SecretKeeper::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  checked_.erase(cluster);
}

}  // namespace vk8s::controller
