#include "kube/store.h"

#include <mutex>

namespace vk8s::kube {

IndexFunction index_by_label(std::string label) {
  return [label = std::move(label)](const Json& object) -> std::vector<std::string> {
    // Not by a dotted path: labels hold dots.
    const JsonObject* labels = base::get_object(object, "metadata.labels");
    const Json* value = labels == nullptr ? nullptr : labels->if_contains(label);
    if (value == nullptr || !value->is_string()) {
      return {};
    }
    return {std::string(value->get_string())};
  };
}

IndexFunction index_by_owner() {
  return [](const Json& object) {
    std::vector<std::string> uids;
    if (const JsonArray* owners = base::get_array(object, "metadata.ownerReferences")) {
      for (const Json& owner : *owners) {
        uids.emplace_back(base::get_string(owner, "uid").value_or(""));
      }
    }
    return uids;
  };
}

Store::Store(std::map<std::string, IndexFunction> indexes) {
  for (auto& [name, function] : indexes) {
    indexes_.emplace(name, Index{.function = std::move(function), .places = {}});
  }
}

ObjectPtr Store::get(const ObjectKey& key) const {
  const std::shared_lock lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<ObjectPtr> Store::list() const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectPtr> result;
  result.reserve(objects_.size());
  for (const auto& [key, object] : objects_) {
    result.push_back(object);
  }
  return result;
}

std::vector<ObjectPtr> Store::list(std::string_view namespace_name) const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectPtr> result;
  auto at = objects_.lower_bound({.namespace_name = std::string(namespace_name), .name = ""});
  for (; at != objects_.end() && at->first.namespace_name == namespace_name; ++at) {
    result.push_back(at->second);
  }
  return result;
}

std::vector<ObjectPtr> Store::find(std::string_view index, std::string_view value) const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectPtr> result;
  const auto found = indexes_.find(index);
  if (found == indexes_.end()) {
    return result;
  }
  const auto place = found->second.places.find(value);
  if (place == found->second.places.end()) {
    return result;
  }
  for (const ObjectKey& key : place->second) {
    result.push_back(objects_.at(key));
  }
  return result;
}

std::size_t Store::size() const {
  const std::shared_lock lock(mutex_);
  return objects_.size();
}

std::vector<ObjectKey> Store::keys() const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectKey> result;
  result.reserve(objects_.size());
  for (const auto& [key, object] : objects_) {
    result.push_back(key);
  }
  return result;
}

void Store::unindex(const ObjectKey& key, const Json& object) {
  for (auto& [name, index] : indexes_) {
    for (const std::string& value : index.function(object)) {
      const auto place = index.places.find(value);
      if (place != index.places.end() && place->second.erase(key) > 0 && place->second.empty()) {
        index.places.erase(place);
      }
    }
  }
}

ObjectPtr Store::put(const ObjectKey& key, ObjectPtr object) {
  const std::unique_lock lock(mutex_);
  ObjectPtr& slot = objects_[key];
  if (slot) {
    unindex(key, *slot);
  }
  for (auto& [name, index] : indexes_) {
    for (const std::string& value : index.function(*object)) {
      index.places[value].insert(key);
    }
  }
  return std::exchange(slot, std::move(object));
}

ObjectPtr Store::erase(const ObjectKey& key) {
  const std::unique_lock lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    return nullptr;
  }
  ObjectPtr object = std::move(found->second);
  unindex(key, *object);
  objects_.erase(found);
  return object;
}

}  // namespace vk8s::kube
