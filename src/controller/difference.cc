#include "controller/difference.h"

#include <string>

#include "api/quantity.h"

namespace vk8s::controller {
namespace {

std::string text_of(const Json& value) {
  return value.is_string() ? std::string(value.get_string()) : base::to_string(value);
}

// "1000m" is stored as "1", 2 as "2": the same amount.
bool is_same_quantity(const Json& a, const Json& b) {
  const auto first = api::parse_quantity_millis(text_of(a));
  const auto second = api::parse_quantity_millis(text_of(b));
  return first && second && *first == *second;
}

bool is_same_scalar(const Json& desired, const Json& observed) {
  return desired == observed || is_same_quantity(desired, observed);
}

// The API server leaves out what is empty, false or zero by nature.
bool is_empty(const Json& value) {
  return value.is_null() || (value.is_bool() && !value.get_bool()) ||
         (value.is_object() && value.get_object().empty()) ||
         (value.is_array() && value.get_array().empty()) ||
         (value.is_string() && value.get_string().empty());
}

}  // namespace

bool is_as_desired(const Json& desired, const Json& observed) {
  if (const JsonObject* wanted = desired.if_object()) {
    const JsonObject* have = observed.if_object();
    for (const auto& [key, value] : *wanted) {
      const Json* other = have == nullptr ? nullptr : have->if_contains(key);
      if (other == nullptr ? !is_empty(value) : !is_as_desired(value, *other)) {
        return false;
      }
    }
    return have != nullptr;
  }
  if (const JsonArray* wanted = desired.if_array()) {
    const JsonArray* have = observed.if_array();
    if (have == nullptr || have->size() != wanted->size()) {
      return wanted->empty() && have == nullptr;
    }
    for (std::size_t i = 0; i < wanted->size(); ++i) {
      if (!is_as_desired((*wanted)[i], (*have)[i])) {
        return false;
      }
    }
    return true;
  }
  return is_same_scalar(desired, observed);
}

}  // namespace vk8s::controller
