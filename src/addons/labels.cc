#include "addons/labels.h"

#include <algorithm>

namespace vk8s::addons {
namespace {

bool holds(const Json& expression, const Labels& labels) {
  const auto key = base::get_string(expression, "key");
  const auto operation = base::get_string(expression, "operator");
  if (!key || !operation) {
    return false;
  }
  const auto found = labels.find(std::string(*key));
  if (*operation == "Exists" || *operation == "DoesNotExist") {
    return (found != labels.end()) == (*operation == "Exists");
  }
  const JsonArray* values = base::get_array(expression, "values");
  const bool is_in = found != labels.end() && values != nullptr &&
                     std::any_of(values->begin(), values->end(), [&](const Json& value) {
                       return value.is_string() && value.get_string() == found->second;
                     });
  return (*operation == "In" && is_in) || (*operation == "NotIn" && !is_in);
}

}  // namespace

Labels string_members(const Json* object) {
  Labels out;
  const JsonObject* members = object == nullptr ? nullptr : object->if_object();
  if (members != nullptr) {
    for (const auto& [key, value] : *members) {
      if (value.is_string()) {
        out.emplace(key, value.get_string());
      }
    }
  }
  return out;
}

Labels labels_of(const Json& object) {
  return string_members(base::find(object, "metadata.labels"));
}

bool selects(const Json* selector, const Labels& labels) {
  if (selector == nullptr || selector->is_null()) {
    return true;
  }
  if (!selector->is_object()) {
    return false;
  }
  const Labels wanted = string_members(base::find(*selector, "matchLabels"));
  if (!std::includes(labels.begin(), labels.end(), wanted.begin(), wanted.end())) {
    return false;
  }
  const JsonArray* expressions = base::get_array(*selector, "matchExpressions");
  return expressions == nullptr ||
         std::all_of(expressions->begin(), expressions->end(),
                     [&](const Json& expression) { return holds(expression, labels); });
}

bool service_selects(const Labels& wanted, const Labels& labels) {
  return !wanted.empty() &&
         std::includes(labels.begin(), labels.end(), wanted.begin(), wanted.end());
}

}  // namespace vk8s::addons
