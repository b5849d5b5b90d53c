#include "addons/apply_decision.h"

#include <algorithm>
#include <array>
#include <set>

#include "addons/labels.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

JsonObject& member(JsonObject& object, const char* name) {
  Json& value = object[name];
  if (!value.is_object()) {
    value = JsonObject();
  }
  return value.get_object();
}

std::string label_of(const Json& live, const char* key) {
  const Labels labels = labels_of(live);
  const auto found = labels.find(key);
  return found == labels.end() ? "" : found->second;
}

std::string digest_in(const Json& object) {
  const Labels annotations = string_members(base::find(object, "metadata.annotations"));
  const auto found = annotations.find(kDigestAnnotation);
  return found == annotations.end() ? "" : found->second;
}

std::set<std::string> served_versions(const Json& definition) {
  std::set<std::string> out;
  if (const JsonArray* versions = base::get_array(definition, "spec.versions")) {
    for (const Json& version : *versions) {
      if (base::get_bool(version, "served").value_or(false)) {
        out.insert(text_at(version, "name"));
      }
    }
  }
  return out;
}

// What a foreign object has to say too: all but the marks and the metadata that does
// nothing.
Json substance(const Json& wanted) {
  Json out = wanted;
  JsonObject& metadata = out.get_object().at("metadata").as_object();
  metadata.erase("labels");
  metadata.erase("annotations");
  return out;
}

ApplyDecision apply_to(Json wanted, const Json& live) {
  OwnershipSplit split = split_by_ownership(wanted, live, kFieldManager);
  const bool is_done = digest_in(live) == digest_in(wanted) &&
                       (is_within(split.object, live) ||
                        // The API server writes some values its own way: 1000m is 1.
                        owns_all(split.object, live, kFieldManager));
  return {.action = is_done ? ApplyAction::kKeep : ApplyAction::kApply,
          .reason = "",
          .object = is_done ? Json() : std::move(split.object),
          .kept = std::move(split.kept)};
}

ApplyDecision use_foreign(std::string reason) {
  return {.action = ApplyAction::kUseForeign, .reason = std::move(reason)};
}

ApplyDecision decide_foreign(Json wanted, const Json& live, std::string_view set_name) {
  const std::string kind = text_at(wanted, "kind");
  const std::string group = GroupVersion::parse(text_at(wanted, "apiVersion")).group;
  // Its controller makes it in every namespace; it is there to be filled in.
  if (group.empty() && kind == "ServiceAccount" && text_at(wanted, "metadata.name") == "default") {
    return apply_to(std::move(wanted), live);
  }
  if (is_namespace(group, kind)) {
    return use_foreign("it was there before");
  }
  if (is_definition(group, kind)) {
    const auto needed = served_versions(wanted);
    const auto served = served_versions(live);
    if (std::includes(served.begin(), served.end(), needed.begin(), needed.end())) {
      return use_foreign("it is not of this add-on, and serves the same versions");
    }
  } else if (is_within(substance(wanted), live)) {
    return use_foreign("it was there before, and is the same");
  }
  return {.action = ApplyAction::kRefuse,
          .reason = fmt::format("it is there already and not of this add-on: delete it, or set its "
                                "label {}={} to have it taken over",
                                kSetLabel, set_name)};
}

// Kinds that hold no state of their own and no data.
bool is_replaceable(const ObjectId& id) {
  constexpr std::array kKinds = {std::string_view("ClusterRoleBinding"),
                                 std::string_view("ConfigMap"),
                                 std::string_view("CronJob"),
                                 std::string_view("DaemonSet"),
                                 std::string_view("Deployment"),
                                 std::string_view("IngressClass"),
                                 std::string_view("Job"),
                                 std::string_view("PodDisruptionBudget"),
                                 std::string_view("PriorityClass"),
                                 std::string_view("RoleBinding"),
                                 std::string_view("RuntimeClass"),
                                 std::string_view("Secret"),
                                 std::string_view("StorageClass")};
  return find_builtin_kind(id.group, id.kind) &&
         std::find(kKinds.begin(), kKinds.end(), id.kind) != kKinds.end();
}

bool has_words(const Error& error, std::string_view words) {
  return error.message().find(words) != std::string::npos;
}

}  // namespace

Json marked(const Manifest& manifest, std::string_view set_name) {
  Json object = manifest.object;
  JsonObject& metadata = member(object.as_object(), "metadata");
  member(metadata, "annotations")[kDigestAnnotation] = digest_of(manifest.object);
  member(metadata, "labels")[kSetLabel] = std::string(set_name);
  return object;
}

bool is_of_set(const Json& live, std::string_view set_name) {
  return label_of(live, kSetLabel) == set_name;
}

std::string describe_deletion(const Json& live) {
  std::string out;
  if (const JsonArray* finalizers = base::get_array(live, "metadata.finalizers")) {
    for (const Json& finalizer : *finalizers) {
      if (finalizer.is_string()) {
        out += (out.empty() ? "" : ", ") + std::string(finalizer.get_string());
      }
    }
  }
  return out.empty() ? "it is being deleted"
                     : "it is being deleted and waits for " + base::printable(out, 256);
}

ApplyDecision decide(Json wanted, const Json& live, std::string_view set_name) {
  if (base::find(live, "metadata.deletionTimestamp") != nullptr) {
    return {.action = ApplyAction::kWait, .reason = describe_deletion(live)};
  }
  if (!is_of_set(live, set_name)) {
    return decide_foreign(std::move(wanted), live, set_name);
  }
  return apply_to(std::move(wanted), live);
}

bool is_within(const Json& part, const Json& whole) {
  if (const JsonObject* fields = part.if_object()) {
    const JsonObject* others = whole.if_object();
    return others != nullptr && std::all_of(fields->begin(), fields->end(), [&](const auto& one) {
             const Json* other = others->if_contains(one.key());
             return other == nullptr ? one.value().is_null() : is_within(one.value(), *other);
           });
  }
  if (const JsonArray* items = part.if_array()) {
    const JsonArray* others = whole.if_array();
    return others != nullptr && items->size() == others->size() &&
           std::equal(items->begin(), items->end(), others->begin(), is_within);
  }
  return part == whole;
}

bool may_be_replaced(const ObjectId& id, const Error& refusal) {
  return refusal.code() == Errc::kInvalidArgument && is_replaceable(id) &&
         (has_words(refusal, "immutable") || has_words(refusal, "cannot change roleRef") ||
          has_words(refusal, "updates to "));
}

bool is_transient(const Error& error) {
  switch (error.code()) {
    case Errc::kNotFound:
      // An apply creates: so either the kind or the Namespace is not there yet.
      return true;
    case Errc::kForbidden:
      return has_words(error, "is being terminated") || has_words(error, "being deleted");
    default:
      return error.is_retryable();
  }
}

}  // namespace vk8s::addons
