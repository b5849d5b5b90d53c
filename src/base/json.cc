#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vk8s::base {
namespace {

bool has_infinity(const Json& value) {
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(), has_infinity);
  }
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(),
                       [](const auto& member) { return has_infinity(member.value()); });
  }
  const double* number = value.if_double();
  return number != nullptr && !std::isfinite(*number);
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return fail(Errc::kTooLarge, "JSON of {} bytes: at most {} are read", text.size(), max_bytes);
  }
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::error_code error;
  Json value = boost::json::parse({text.data(), text.size()}, error, {}, options);
  if (error) {
    return fail(Errc::kInvalidArgument, "not valid JSON: {}", error.message());
  }
  // The library reads 1e999 as infinity, for which JSON has no word.
  if (has_infinity(value)) {
    return fail(Errc::kInvalidArgument, "not valid JSON: a number is out of range");
  }
  return value;
}

std::string to_string(const Json& value) { return boost::json::serialize(value); }

const Json* find(const Json& value, std::string_view path) {
  const Json* at = &value;
  while (!path.empty()) {
    const std::size_t end = path.find('.');
    const std::string_view key = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (const auto* object = at->if_object()) {
      at = object->if_contains({key.data(), key.size()});
    } else if (const auto* array = at->if_array()) {
      std::size_t index = 0;
      const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
      const bool valid = parsed.ec == std::errc() && parsed.ptr == key.data() + key.size();
      at = valid ? array->if_contains(index) : nullptr;
    } else {
      at = nullptr;
    }
    if (at == nullptr) {
      return nullptr;
    }
  }
  return at;
}

std::optional<std::string_view> get_string(const Json& value, std::string_view path) {
  const Json* at = find(value, path);
  if (at == nullptr || !at->is_string()) {
    return std::nullopt;
  }
  const auto& text = at->get_string();
  return std::string_view(text.data(), text.size());
}

std::optional<std::int64_t> get_int(const Json& value, std::string_view path) {
  const Json* at = find(value, path);
  if (at == nullptr || !at->is_int64()) {
    return std::nullopt;
  }
  return at->get_int64();
}

std::optional<bool> get_bool(const Json& value, std::string_view path) {
  const Json* at = find(value, path);
  if (at == nullptr || !at->is_bool()) {
    return std::nullopt;
  }
  return at->get_bool();
}

const JsonArray* get_array(const Json& value, std::string_view path) {
  const Json* at = find(value, path);
  return at == nullptr ? nullptr : at->if_array();
}

const JsonObject* get_object(const Json& value, std::string_view path) {
  const Json* at = find(value, path);
  return at == nullptr ? nullptr : at->if_object();
}

}  // namespace vk8s::base
