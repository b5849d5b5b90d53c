// What a write to FakeClient does to the objects it holds.
#include "kube/fake_client.h"
#include "kube/fake_watch.h"
#include "kube/merge.h"
#include "kube/request_path.h"

namespace vk8s::kube {
namespace {

constexpr const char* kCreationTime = "2026-01-01T00:00:00Z";

JsonObject& metadata_of(Json& object) {
  if (!object.is_object()) {
    object = JsonObject();
  }
  Json& metadata = object.get_object()["metadata"];
  if (!metadata.is_object()) {
    metadata = JsonObject();
  }
  return metadata.get_object();
}

std::string text_at(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

bool is_deleting(const Json& object) {
  return base::find(object, "metadata.deletionTimestamp") != nullptr;
}

bool has_finalizers(const Json& object) {
  const JsonArray* finalizers = base::get_array(object, "metadata.finalizers");
  return finalizers != nullptr && !finalizers->empty();
}

// The object without what a generation does not count.
JsonObject specified(const Json& object) {
  JsonObject result = object.as_object();
  result.erase("metadata");
  result.erase("status");
  return result;
}

void move_field(const char* key, const JsonObject& from, JsonObject& to) {
  if (const Json* value = from.if_contains(key)) {
    to[key] = *value;
  } else {
    to.erase(key);
  }
}

Status check_identity(const Json& stored, const Json& wanted) {
  for (const char* path : {"metadata.uid", "metadata.resourceVersion"}) {
    const std::string expected = text_at(wanted, path);
    if (!expected.empty() && expected != text_at(stored, path)) {
      return fail(Errc::kConflict, "{} is {}, not {} (409 Conflict)", path, text_at(stored, path),
                  expected);
    }
  }
  return {};
}

}  // namespace

std::string FakeClient::collection_name(const Resource& resource) {
  return resource.group + "/" + resource.plural;
}

FakeClient::Collection& FakeClient::collection(const Resource& resource) {
  const std::string name = collection_name(resource);
  resources_.try_emplace(name, resource);
  return collections_[name];
}

Result<Json*> FakeClient::existing(const Resource& resource, const ObjectKey& key) {
  VK8S_TRY(object_path(resource, key));
  Collection& objects = collection(resource);
  const auto found = objects.find(key);
  if (found == objects.end()) {
    return fail(Errc::kNotFound, "{} \"{}\" not found (404 NotFound)", resource.plural, key.name);
  }
  return &found->second;
}

const Json* FakeClient::peek(const Resource& resource, const ObjectKey& key) const {
  const auto objects = collections_.find(collection_name(resource));
  if (objects == collections_.end()) {
    return nullptr;
  }
  const auto found = objects->second.find(key);
  return found == objects->second.end() ? nullptr : &found->second;
}

void FakeClient::put(const Resource& resource, Json object) {
  const ObjectKey key = key_of(object);
  Collection& objects = collection(resource);
  JsonObject& metadata = metadata_of(object);
  const auto found = objects.find(key);
  Json previous = found == objects.end() ? Json(nullptr) : found->second;
  if (previous.is_object()) {
    move_field("uid", previous.at("metadata").as_object(), metadata);
  } else if (!metadata.contains("uid")) {
    metadata["uid"] = fmt::format("00000000-0000-4000-8000-{:012}", ++last_uid_);
  }
  metadata.emplace("creationTimestamp", kCreationTime);
  const auto type = previous.is_object() ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded;
  Json& stored = objects[key] = std::move(object);
  publish(type, resource, stored, std::move(previous));
}

Result<Json> FakeClient::do_list(const Resource& resource, std::string_view namespace_name,
                                 const ListOptions& options) {
  const FakeFilter filter = VK8S_TRY(FakeFilter::create(namespace_name, options));
  JsonArray items;
  JsonObject metadata{{"resourceVersion", std::to_string(version_)}};
  for (const auto& [key, object] : collection(resource)) {
    const std::string token = key.namespace_name + "/" + key.name;
    if (token <= options.continue_token || !filter.matches(object)) {
      continue;
    }
    if (options.limit > 0 && items.size() == static_cast<std::size_t>(options.limit)) {
      const ObjectKey last = key_of(items.back());
      metadata["continue"] = last.namespace_name + "/" + last.name;
      break;
    }
    items.push_back(object);
  }
  return Json(JsonObject{{"apiVersion", resource.api_version()},
                         {"kind", resource.kind + "List"},
                         {"metadata", std::move(metadata)},
                         {"items", std::move(items)}});
}

Result<Json> FakeClient::do_create(const Resource& resource, std::string_view namespace_name,
                                   Json object, bool dry_run) {
  JsonObject& metadata = metadata_of(object);
  if (resource.namespaced) {
    if (namespace_name.empty()) {
      return fail(Errc::kInvalidArgument, "the namespace is not given");
    }
    metadata["namespace"] = boost::json::string(namespace_name.data(), namespace_name.size());
  }
  if (!metadata.contains("name") && metadata.contains("generateName")) {
    metadata["name"] = text_at(object, "metadata.generateName") + fmt::format("{:05}", ++last_uid_);
  }
  const ObjectKey key = key_of(object);
  VK8S_TRY(object_path(resource, key));
  if (!text_at(object, "metadata.resourceVersion").empty()) {
    return fail(Errc::kInvalidArgument,
                "resourceVersion should not be set on objects to be created");
  }
  Collection& objects = collection(resource);
  if (objects.contains(key)) {
    return fail(Errc::kAlreadyExists, "{} \"{}\" already exists (409 AlreadyExists)",
                resource.plural, key.name);
  }
  metadata["uid"] = fmt::format("00000000-0000-4000-8000-{:012}", ++last_uid_);
  metadata["creationTimestamp"] = kCreationTime;
  metadata["generation"] = 1;
  object.get_object().erase("status");
  if (dry_run) {
    return object;
  }
  Json& stored = objects[key] = std::move(object);
  publish(WatchEvent::Type::kAdded, resource, stored, nullptr);
  return stored;
}

Result<Json> FakeClient::do_replace(const Resource& resource, const ObjectKey& key, Json object,
                                    std::string_view subresource) {
  Json& stored = *VK8S_TRY(existing(resource, key));
  VK8S_TRY(check_identity(stored, object));
  if (!subresource.empty()) {
    Json whole = stored;
    move_field("status", object.as_object(), whole.as_object());
    object = std::move(whole);
  } else {
    move_field("status", stored.as_object(), object.as_object());
  }
  const JsonObject& old_metadata = stored.at("metadata").as_object();
  JsonObject& metadata = metadata_of(object);
  for (const char* field : {"uid", "creationTimestamp", "deletionTimestamp", "generation",
                            "resourceVersion", "name", "namespace"}) {
    move_field(field, old_metadata, metadata);
  }
  if (specified(object) != specified(stored)) {
    metadata["generation"] = base::get_int(stored, "metadata.generation").value_or(0) + 1;
  }
  if (object == stored) {
    return stored;
  }
  Json previous = std::exchange(stored, std::move(object));
  publish(WatchEvent::Type::kModified, resource, stored, std::move(previous));
  Json result = stored;
  if (is_deleting(stored) && !has_finalizers(stored)) {
    erase(resource, key);
  }
  return result;
}

Result<Json> FakeClient::do_apply(const Resource& resource, const Json& object,
                                  const ApplyOptions& options, const std::string& subresource) {
  const ObjectKey key = key_of(object);
  if (options.field_manager.empty()) {
    return fail(Errc::kInvalidArgument, "fieldManager is required for apply patch");
  }
  const auto mark = [&](const Json& live) {
    return fmt::format("{} {} {}", text_at(live, "metadata.uid"), options.field_manager,
                       subresource);
  };
  Collection& objects = collection(resource);
  const auto found = objects.find(key);
  if (found == objects.end()) {
    if (!subresource.empty()) {
      return fail(Errc::kNotFound, "{} \"{}\" not found (404 NotFound)", resource.plural, key.name);
    }
    if (!text_at(object, "metadata.uid").empty() ||
        !text_at(object, "metadata.resourceVersion").empty()) {
      return fail(Errc::kConflict, "uid mismatch: the object does not exist (409 Conflict)");
    }
    const Json created = VK8S_TRY(do_create(resource, key.namespace_name, object, false));
    applied_[mark(created)] = object;
    return created;
  }
  if (const std::string uid = text_at(object, "metadata.uid");
      !uid.empty() && uid != text_at(found->second, "metadata.uid")) {
    return fail(Errc::kInvalidArgument, "metadata.uid: field is immutable (422 Invalid)");
  }
  VK8S_TRY(check_identity(found->second, object));
  Json merged = found->second;
  const std::string place = mark(merged);
  if (const auto before = applied_.find(place); before != applied_.end()) {
    prune_into(merged, before->second, object);
  }
  merge_patch_into(merged, object);
  Json result = VK8S_TRY(do_replace(resource, key, std::move(merged), subresource));
  applied_[place] = object;
  return result;
}

Result<Json> FakeClient::do_remove(const Resource& resource, const ObjectKey& key,
                                   const DeleteOptions& options) {
  Json& stored = *VK8S_TRY(existing(resource, key));
  if (!options.uid.empty() && options.uid != text_at(stored, "metadata.uid")) {
    return fail(Errc::kConflict, "the uid in the precondition ({}) is not the object's",
                options.uid);
  }
  if (const std::string version = text_at(stored, "metadata.resourceVersion");
      !options.resource_version.empty() && options.resource_version != version) {
    return fail(Errc::kConflict, "the resourceVersion in the precondition ({}) is not {}",
                options.resource_version, version);
  }
  if (has_finalizers(stored)) {
    if (!is_deleting(stored)) {
      Json previous = stored;
      metadata_of(stored)["deletionTimestamp"] = kCreationTime;
      publish(WatchEvent::Type::kModified, resource, stored, std::move(previous));
    }
    return stored;
  }
  Json last = stored;
  erase(resource, key);
  return last;
}

void FakeClient::erase(const Resource& resource, const ObjectKey& key) {
  Collection& objects = collection(resource);
  const auto found = objects.find(key);
  if (found == objects.end()) {
    return;
  }
  Json last = std::move(found->second);
  objects.erase(found);
  Json previous = last;
  publish(WatchEvent::Type::kDeleted, resource, last, std::move(previous));
  if (collects_garbage_) {
    erase_dependents(text_at(last, "metadata.uid"));
  }
}

void FakeClient::erase_dependents(const std::string& uid) {
  std::vector<std::pair<Resource, ObjectKey>> dependents;
  for (const auto& [name, objects] : collections_) {
    for (const auto& [key, object] : objects) {
      const JsonArray* owners = base::get_array(object, "metadata.ownerReferences");
      for (std::size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
        if (base::get_string((*owners)[i], "uid") == uid) {
          dependents.emplace_back(resources_.at(name), key);
        }
      }
    }
  }
  for (const auto& [resource, key] : dependents) {
    [[maybe_unused]] const auto removed = do_remove(resource, key, {});
  }
}

}  // namespace vk8s::kube
