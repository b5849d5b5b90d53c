#include "controller/object_writer.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "controller/difference.h"
#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

// How long a just created object counts as there although no watch has told of it.
constexpr seconds kRecentFor(10);
constexpr seconds kRetryTransient(2);
constexpr seconds kRetryRefused(30);

std::string uid_of(const Json& object) {
  return std::string(base::get_string(object, "metadata.uid").value_or(""));
}

// Fields written by create belong to this manager's "Update" entry, and an apply
// that leaves one out would not remove it. So the entry becomes an "Apply" one
// before the first apply. Source: KEP-555, client-go util/csaupgrade.
std::optional<Json> adopted_managed_fields(const Json& object) {
  const JsonArray* entries = base::get_array(object, "metadata.managedFields");
  if (entries == nullptr) {
    return std::nullopt;
  }
  JsonArray out = *entries;
  Json* of_create = nullptr;
  for (Json& entry : out) {
    if (base::get_string(entry, "manager") != kFieldManager ||
        !base::get_string(entry, "subresource").value_or("").empty()) {
      continue;
    }
    if (base::get_string(entry, "operation") == "Apply") {
      return std::nullopt;
    }
    of_create = &entry;
  }
  if (of_create == nullptr) {
    return std::nullopt;
  }
  of_create->get_object()["operation"] = "Apply";
  return Json(std::move(out));
}

}  // namespace

Problem conflict_problem(const Cluster& cluster, const ObjectRef& ref, const Json& existing) {
  const JsonArray* owners = base::get_array(existing, "metadata.ownerReferences");
  for (const Json& owner : owners == nullptr ? JsonArray() : *owners) {
    if (base::get_string(owner, "kind") == "Vk8s" &&
        base::get_string(owner, "name") == cluster.name()) {
      return {api::phase::kWaiting, std::string(reason::kEarlierClusterLeaving),
              fmt::format("{} still belongs to an earlier Vk8s of this name: waiting until it is "
                          "deleted",
                          ref.to_string()),
              kRetryTransient};
    }
  }
  return {api::phase::kFail, std::string(reason::kNameConflict),
          fmt::format("{} exists already and does not belong to this Vk8s: delete it, or choose "
                      "another name",
                      ref.to_string()),
          kRetryRefused};
}

Problem write_problem(const Error& error) {
  const bool transient = error.is_retryable() || error.code() == Errc::kConflict;
  return {transient ? std::string_view() : api::phase::kFail, std::string(reason::kWriteFailed),
          error.message(), transient ? kRetryTransient : kRetryRefused};
}

ObjectWriter::ObjectWriter(BatchClient& client, const World& world)
    : client_(client), world_(world) {}

World::Object ObjectWriter::known(const ObjectRef& ref) const {
  if (World::Object cached = world_.get(*ref.resource, ref.key)) {
    return cached;
  }
  const std::lock_guard lock(mutex_);
  const auto at = recent_.find(ref.to_string());
  const bool valid = at != recent_.end() && std::chrono::steady_clock::now() < at->second.until;
  return valid ? at->second.object : nullptr;
}

void ObjectWriter::remember(const ObjectRef& ref, const Json& object) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(recent_, [now](const auto& entry) { return entry.second.until < now; });
  recent_[ref.to_string()] = {std::make_shared<const Json>(object), now + kRecentFor};
}

void ObjectWriter::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  std::erase_if(recent_, [&](const auto& entry) {
    const Json& object = *entry.second.object;
    return base::get_string(object, "metadata.namespace") == cluster.namespace_name &&
           base::get_string(object, "metadata.labels.clusterName") == cluster.name;
  });
}

OrProblem<std::vector<Json>> ObjectWriter::ensure(const Cluster& cluster,
                                                  const std::vector<const Resource*>& resources) {
  std::vector<Json> out(resources.size());
  std::optional<Problem> problem;
  const auto note = [&problem](Problem found) { problem = problem ? problem : std::move(found); };

  std::vector<BatchClient::Request> creations;
  std::vector<std::size_t> created;  // indices into resources
  for (std::size_t i = 0; i < resources.size(); ++i) {
    const ObjectRef ref = resources[i]->ref(cluster);
    const World::Object existing = known(ref);
    const bool ours = existing && is_owned_by(*existing, cluster.vk8s.metadata.uid);
    if (!resources[i]->is_wanted(cluster)) {
      if (ours) {
        creations.push_back(remove_request(*ref.resource, ref.key, uid_of(*existing)));
        created.push_back(resources.size());  // no result is kept
      }
    } else if (!existing) {
      creations.push_back(
          create_request(*ref.resource, ref.key.namespace_name, resources[i]->desired(cluster)));
      created.push_back(i);
    } else if (!ours) {
      note(conflict_problem(cluster, ref, *existing));
    } else if (Json desired = resources[i]->desired(cluster); is_as_desired(desired, *existing)) {
      out[i] = *existing;
    } else if (auto applied = apply(ref, std::move(desired), *existing)) {
      out[i] = *std::move(applied);
    } else {
      note(std::move(applied).error());
    }
  }
  std::vector<Result<Json>> results = client_.run(std::move(creations));
  for (std::size_t n = 0; n < results.size(); ++n) {
    if (created[n] == resources.size()) {
      continue;
    }
    const ObjectRef ref = resources[created[n]]->ref(cluster);
    if (results[n]) {
      remember(ref, *results[n]);
      out[created[n]] = *std::move(results[n]);
    } else if (results[n].error().code() != Errc::kAlreadyExists) {
      note(write_problem(results[n].error()));
    } else if (auto settled =
                   settle_existing(cluster, ref, resources[created[n]]->desired(cluster))) {
      out[created[n]] = *std::move(settled);
    } else {
      note(std::move(settled).error());
    }
  }
  if (problem) {
    return tl::unexpected<Problem>(*std::move(problem));
  }
  return out;
}

OrProblem<Json> ObjectWriter::settle_existing(const Cluster& cluster, const ObjectRef& ref,
                                              const Json& desired) {
  auto existing = client_.run_one(get_request(*ref.resource, ref.key));
  if (!existing) {
    return tl::unexpected<Problem>(write_problem(existing.error()));
  }
  if (!is_owned_by(*existing, cluster.vk8s.metadata.uid)) {
    return tl::unexpected<Problem>(conflict_problem(cluster, ref, *existing));
  }
  remember(ref, *existing);
  if (is_as_desired(desired, *existing)) {
    return *std::move(existing);
  }
  return apply(ref, desired, *existing);
}

OrProblem<Json> ObjectWriter::apply(const ObjectRef& ref, Json desired, const Json& observed) {
  // Caches are projected: the managed fields are read where they are needed.
  auto live = client_.run_one(get_request(*ref.resource, ref.key));
  if (!live) {
    return tl::unexpected<Problem>(write_problem(live.error()));
  }
  if (uid_of(*live) != uid_of(observed)) {
    return tl::unexpected<Problem>(
        write_problem(Error(Errc::kConflict, ref.to_string() + " was deleted and made anew")));
  }
  if (auto fields = adopted_managed_fields(*live)) {
    JsonObject metadata;
    metadata["managedFields"] = *std::move(fields);
    metadata["resourceVersion"] = *base::find(*live, "metadata.resourceVersion");
    JsonObject patch;
    patch["metadata"] = std::move(metadata);
    if (auto done = client_.run_one(merge_patch_request(*ref.resource, ref.key, std::move(patch)));
        !done) {
      return tl::unexpected<Problem>(write_problem(done.error()));
    }
  }
  desired.get_object()["metadata"].get_object()["uid"] = uid_of(observed);
  auto applied = client_.run_one(apply_request(*ref.resource, std::move(desired)));
  if (!applied) {
    return tl::unexpected<Problem>(write_problem(applied.error()));
  }
  return *std::move(applied);
}

}  // namespace vk8s::controller
