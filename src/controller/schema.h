// Pieces of OpenAPI v3 schemas, as CustomResourceDefinitions have them. Pure.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/json.h"

namespace vk8s::controller::schema {

// Every string has a bound: CEL cost is estimated from it.
JsonObject text(std::string_view description, int max_length);
JsonObject pattern_text(std::string_view description, int max_length, std::string_view pattern);
JsonObject choice(std::string_view description, std::initializer_list<std::string_view> values);
JsonObject integer(std::string_view description, std::int32_t minimum, std::int32_t maximum);
JsonObject long_integer(std::string_view description);
JsonObject flag(std::string_view description);
// "500m", "4Gi", or a number; more than 0.
JsonObject quantity(std::string_view description);

JsonObject object(std::string_view description, JsonObject properties,
                  std::initializer_list<std::string_view> required = {});
JsonObject list(std::string_view description, JsonObject items, int max_items);
// A list whose items are told apart by these fields.
JsonObject map_list(std::string_view description, JsonObject items, int max_items,
                    std::initializer_list<std::string_view> keys);
JsonObject text_map(std::string_view description, JsonObject values, int max_properties);

// A CEL rule; field_path ("" = none) is where the refusal points to.
Json rule(std::string_view expression, std::string_view message, std::string_view field_path = {});
JsonObject with_rules(JsonObject base, JsonArray rules);
JsonObject with_default(JsonObject base, Json value);

// metav1.Condition.
JsonObject condition();
// A column of `kubectl get`; priority 1: of `-o wide` only.
JsonObject column(std::string_view name, std::string_view path, std::string_view type,
                  int priority = 0);

}  // namespace vk8s::controller::schema
