#include "kube/ownership.h"

#include "kube/merge.h"

namespace vk8s::kube {
namespace {

bool is_entry(const Json& entry, std::string_view manager, std::string_view operation) {
  return base::get_string(entry, "manager") == manager &&
         base::get_string(entry, "operation") == operation &&
         base::find(entry, "subresource") == nullptr;
}

}  // namespace

std::optional<Json> hand_over_patch(const Json& object, std::string_view created_by,
                                    std::string_view manager) {
  const JsonArray* entries = base::get_array(object, "metadata.managedFields");
  const auto version = base::get_string(object, "metadata.resourceVersion");
  if (entries == nullptr || !version) {
    return std::nullopt;
  }
  JsonArray kept;
  Json handed_over;
  for (const Json& entry : *entries) {
    const bool is_ours = is_entry(entry, manager, "Apply");
    const bool is_created = is_entry(entry, created_by, "Update");
    if (!is_ours && !is_created) {
      kept.push_back(entry);
    } else if (handed_over.is_null()) {
      handed_over = entry;
    } else if (const Json* fields = base::find(entry, "fieldsV1")) {
      // A set of fields is an object of objects: the union is the merge.
      merge_patch_into(handed_over.as_object()["fieldsV1"], *fields);
    }
  }
  const std::size_t gone = entries->size() - kept.size();
  if (handed_over.is_null() || (gone == 1 && is_entry(handed_over, manager, "Apply"))) {
    return std::nullopt;
  }
  JsonObject& entry = handed_over.as_object();
  entry["manager"] = boost::json::string(manager.data(), manager.size());
  entry["operation"] = "Apply";
  kept.push_back(std::move(handed_over));
  return JsonObject{{"metadata", JsonObject{{"resourceVersion",
                                             boost::json::string(version->data(), version->size())},
                                            {"managedFields", std::move(kept)}}}};
}

}  // namespace vk8s::kube
