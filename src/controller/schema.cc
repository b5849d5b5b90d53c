#include "controller/schema.h"

#include <utility>

namespace vk8s::controller::schema {
namespace {

JsonObject typed(std::string_view type, std::string_view description) {
  JsonObject out;
  if (!description.empty()) {
    out["description"] = description;
  }
  out["type"] = type;
  return out;
}

JsonArray texts(std::initializer_list<std::string_view> values) {
  JsonArray out;
  for (const std::string_view value : values) {
    out.emplace_back(value);
  }
  return out;
}

}  // namespace

JsonObject text(std::string_view description, int max_length) {
  JsonObject out = typed("string", description);
  out["maxLength"] = max_length;
  return out;
}

JsonObject pattern_text(std::string_view description, int max_length, std::string_view pattern) {
  JsonObject out = text(description, max_length);
  out["pattern"] = pattern;
  return out;
}

JsonObject choice(std::string_view description, std::initializer_list<std::string_view> values) {
  JsonObject out = typed("string", description);
  out["enum"] = texts(values);
  return out;
}

JsonObject integer(std::string_view description, std::int32_t minimum, std::int32_t maximum) {
  JsonObject out = typed("integer", description);
  out["format"] = "int32";
  out["minimum"] = minimum;
  out["maximum"] = maximum;
  return out;
}

JsonObject long_integer(std::string_view description) {
  JsonObject out = typed("integer", description);
  out["format"] = "int64";
  return out;
}

JsonObject flag(std::string_view description) { return typed("boolean", description); }

JsonObject quantity(std::string_view description) {
  JsonObject out;
  if (!description.empty()) {
    out["description"] = description;
  }
  out["anyOf"] = JsonArray{JsonObject{{"type", "integer"}}, JsonObject{{"type", "string"}}};
  out["maxLength"] = 32;
  // Of a number; the pattern says the same of a text: one digit at least is none of 0.
  out["minimum"] = 1;
  out["pattern"] = R"(^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*))"
                   R"(([numkMGTPE]|[KMGTPE]i|[eE][+-]?(0?[0-9]|1[0-8]))?$)";
  out["x-kubernetes-int-or-string"] = true;
  // As much as api::parse_quantity() takes.
  return with_rules(
      std::move(out),
      JsonArray{rule("type(self) == int ? self < 9007199254740992 : "
                     "!isQuantity(self) || quantity(self).isLessThan(quantity('8Pi'))",
                     "must be less than 8Pi")});
}

JsonObject object(std::string_view description, JsonObject properties,
                  std::initializer_list<std::string_view> required) {
  JsonObject out = typed("object", description);
  if (required.size() > 0) {
    out["required"] = texts(required);
  }
  out["properties"] = std::move(properties);
  return out;
}

JsonObject list(std::string_view description, JsonObject items, int max_items) {
  JsonObject out = typed("array", description);
  out["maxItems"] = max_items;
  out["items"] = std::move(items);
  return out;
}

JsonObject map_list(std::string_view description, JsonObject items, int max_items,
                    std::initializer_list<std::string_view> keys) {
  JsonObject out = list(description, std::move(items), max_items);
  out["x-kubernetes-list-type"] = "map";
  out["x-kubernetes-list-map-keys"] = texts(keys);
  return out;
}

JsonObject text_map(std::string_view description, JsonObject values, int max_properties) {
  JsonObject out = typed("object", description);
  out["maxProperties"] = max_properties;
  out["additionalProperties"] = std::move(values);
  return out;
}

Json rule(std::string_view expression, std::string_view message, std::string_view field_path) {
  JsonObject out;
  out["rule"] = expression;
  out["message"] = message;
  if (!field_path.empty()) {
    out["fieldPath"] = field_path;
  }
  return out;
}

JsonObject with_rules(JsonObject base, JsonArray rules) {
  base["x-kubernetes-validations"] = std::move(rules);
  return base;
}

JsonObject with_default(JsonObject base, Json value) {
  base["default"] = std::move(value);
  return base;
}

JsonObject condition() {
  JsonObject properties;
  properties["type"] = text("", 316);
  properties["status"] = choice("", {"True", "False", "Unknown"});
  properties["reason"] = text("", 1024);
  properties["message"] = text("", 32768);
  properties["observedGeneration"] = long_integer("");
  JsonObject time = text("", 64);
  time["format"] = "date-time";
  properties["lastTransitionTime"] = std::move(time);
  return object("", std::move(properties),
                {"type", "status", "reason", "message", "lastTransitionTime"});
}

JsonObject column(std::string_view name, std::string_view path, std::string_view type,
                  int priority) {
  JsonObject out;
  out["name"] = name;
  out["type"] = type;
  out["jsonPath"] = path;
  out["priority"] = priority;
  return out;
}

}  // namespace vk8s::controller::schema
