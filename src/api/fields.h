// Lenient reading of an object that an API server has admitted, for this module only:
// what nobody asks for is passed over, what is absent is empty.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/quantity.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::api {

// Reads the fields of one object. The first thing wrong is remembered, with the
// field's path; what is read after that is empty.
class Fields {
 public:
  Fields(const Json* value, std::string path, std::optional<Error>& error)
      : path_(std::move(path)), error_(error) {
    if (value != nullptr && !value->is_null()) {
      object_ = value->if_object();
      if (object_ == nullptr) {
        refuse("", "an object");
      }
    }
  }

  std::string text(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) {
      return {};
    }
    if (!value->is_string()) {
      refuse(key, "a string");
      return {};
    }
    return std::string(value->get_string());
  }

  std::string required_text(std::string_view key) {
    std::string value = text(key);
    if (value.empty()) {
      refuse(key, "a string that is not empty");
    }
    return value;
  }

  // A quantity may be written as a number.
  std::string quantity(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) {
      return {};
    }
    std::string out =
        value->is_string() ? std::string(value->get_string()) : base::to_string(*value);
    if (!parse_quantity(out)) {
      refuse(key, "a quantity such as 8Gi");
    }
    return out;
  }

  std::int32_t port(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) {
      return 0;
    }
    if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > 65535) {
      refuse(key, "a port number");
      return 0;
    }
    return static_cast<std::int32_t>(value->get_int64());
  }

  std::int64_t number(std::string_view key) {
    const Json* value = find(key);
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
  }

  bool flag(std::string_view key) {
    const Json* value = find(key);
    if (value != nullptr && !value->is_bool()) {
      refuse(key, "true or false");
    }
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  JsonArray array(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) {
      return {};
    }
    if (!value->is_array()) {
      refuse(key, "a list");
      return {};
    }
    return value->get_array();
  }

  JsonObject object(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) {
      return {};
    }
    if (!value->is_object()) {
      refuse(key, "an object");
      return {};
    }
    return value->get_object();
  }

  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> out;
    for (const Json& item : array(key)) {
      if (!item.is_string()) {
        refuse(key, "a list of strings");
        return {};
      }
      out.emplace_back(item.get_string());
    }
    return out;
  }

  std::map<std::string, std::string> text_map(std::string_view key) {
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : object(key)) {
      if (!value.is_string()) {
        refuse(key, "a map of strings");
        return {};
      }
      out.emplace(name, value.get_string());
    }
    return out;
  }

  const Json* find(std::string_view key) const {
    const Json* value =
        object_ == nullptr ? nullptr : object_->if_contains({key.data(), key.size()});
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::string path(std::string_view key) const {
    return key.empty() ? path_ : fmt::format("{}.{}", path_, key);
  }
  std::optional<Error>& error() { return error_; }

  void refuse(std::string_view key, std::string_view wanted) {
    if (!error_) {
      error_ = Error(Errc::kInvalidArgument, fmt::format("{} must be {}", path(key), wanted));
    }
  }

 private:
  const JsonObject* object_ = nullptr;
  std::string path_;
  std::optional<Error>& error_;
};

}  // namespace vk8s::api
