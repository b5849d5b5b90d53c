// JSON documents, and access to them that cannot throw.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace vk8s::base {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// Refused: more than max_bytes, a depth of 64, a number beyond a double, trailing bytes.
Result<Json> parse_json(std::string_view text, std::size_t max_bytes = 16U << 20U);

std::string to_string(const Json& value);

// The value at a dotted path ("metadata.ownerReferences.0.uid"), or nullptr.
// Keys that hold dots are reached with find() on the object itself.
const Json* find(const Json& value, std::string_view path);

// The typed value at a path, or nothing where it is absent or of another type.
std::optional<std::string_view> get_string(const Json& value, std::string_view path);
std::optional<std::int64_t> get_int(const Json& value, std::string_view path);
std::optional<bool> get_bool(const Json& value, std::string_view path);
const JsonArray* get_array(const Json& value, std::string_view path);
const JsonObject* get_object(const Json& value, std::string_view path);

}  // namespace vk8s::base

namespace vk8s {
using base::Json;
using base::JsonArray;
using base::JsonObject;
}  // namespace vk8s
