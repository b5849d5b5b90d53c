// For fuzz targets (*_fuzz.cc), which check what holds for every input.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

namespace vk8s::fuzz {

// Ends the process where it does not hold: the fuzzer keeps the input.
inline void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

// The input as text; never a null pointer.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {size == 0 ? "" : reinterpret_cast<const char*>(data), size};
}

namespace detail {
inline bool is_same_number(const Json& a, const Json& b) {
  const auto x = a.to_number<double>();
  const auto y = b.to_number<double>();
  if (a.is_double() || b.is_double()) {
    // Readers differ in the last digits, and in what is beyond a double.
    return !std::isfinite(x) || !std::isfinite(y) ||
           std::fabs(x - y) <= 1e-9 * std::fabs(x) + 1e-300;
  }
  return a == b;
}
}  // namespace detail

// Equal but for the last digits of fractions.
inline bool is_same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    return detail::is_same_number(a, b);
  }
  if (a.is_array() && b.is_array()) {
    const JsonArray& x = a.get_array();
    const JsonArray& y = b.get_array();
    bool same = x.size() == y.size();
    for (std::size_t i = 0; same && i < x.size(); ++i) {
      same = is_same(x[i], y[i]);
    }
    return same;
  }
  if (a.is_object() && b.is_object()) {
    const JsonObject& x = a.get_object();
    bool same = x.size() == b.get_object().size();
    for (auto member = x.begin(); same && member != x.end(); ++member) {
      const Json* other = b.get_object().if_contains(member->key());
      same = other != nullptr && is_same(member->value(), *other);
    }
    return same;
  }
  return a == b;
}

// Levels of arrays and objects.
inline std::size_t depth(const Json& value) {
  std::size_t deepest = 0;
  if (const auto* array = value.if_array()) {
    for (const Json& item : *array) {
      deepest = std::max(deepest, depth(item));
    }
  } else if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      deepest = std::max(deepest, depth(member.value()));
    }
  } else {
    return 0;
  }
  return deepest + 1;
}

// Readers of YAML take keys of at most 1024 characters, escapes included.
inline bool has_long_key(const Json& value) {
  bool found = false;
  if (const auto* array = value.if_array()) {
    for (const Json& item : *array) {
      found = found || has_long_key(item);
    }
  } else if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      found = found || member.key().size() > 160 || has_long_key(member.value());
    }
  }
  return found;
}

}  // namespace vk8s::fuzz
