#include "kube/merge.h"

namespace vk8s::kube {

void merge_patch_into(Json& target, const Json& patch) {
  const JsonObject* changes = patch.if_object();
  if (changes == nullptr) {
    target = patch;
    return;
  }
  if (!target.is_object()) {
    target = JsonObject();
  }
  JsonObject& fields = target.get_object();
  for (const auto& [key, value] : *changes) {
    if (value.is_null()) {
      fields.erase(key);
    } else {
      merge_patch_into(fields[key], value);
    }
  }
}

void prune_into(Json& target, const Json& before, const Json& after) {
  JsonObject* fields = target.if_object();
  const JsonObject* old_fields = before.if_object();
  if (fields == nullptr || old_fields == nullptr) {
    return;
  }
  const Json nothing = JsonObject();
  const JsonObject* new_fields = after.if_object();
  for (const auto& [key, old_value] : *old_fields) {
    Json* value = fields->if_contains(key);
    const Json* new_value = new_fields == nullptr ? nullptr : new_fields->if_contains(key);
    if (value == nullptr || (new_value != nullptr && !old_value.is_object())) {
      continue;
    }
    if (!old_value.is_object() || !value->is_object()) {
      fields->erase(key);
      continue;
    }
    prune_into(*value, old_value, new_value == nullptr ? nothing : *new_value);
    if (new_value == nullptr && value->get_object().empty()) {
      fields->erase(key);
    }
  }
}

}  // namespace vk8s::kube
