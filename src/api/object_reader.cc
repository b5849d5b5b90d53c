#include "api/object_reader.h"

#include "base/text.h"

namespace vk8s::api {

using base::printable;

ObjectReader::ObjectReader(const Json& value, std::string path)
    : object_(value.if_object()), path_(std::move(path)) {
  if (object_ == nullptr) {
    fail_with(Error(Errc::kInvalidArgument,
                    fmt::format("{}: must be an object", path_.empty() ? "document" : path_)));
  }
}

std::string ObjectReader::path_of(std::string_view field) const {
  return path_.empty() ? std::string(field) : fmt::format("{}.{}", path_, field);
}

void ObjectReader::fail_with(Error error) {
  if (!error_) {
    error_ = std::move(error);
  }
}

const Json* ObjectReader::get(std::string_view field, bool required) {
  asked_.emplace(field);
  if (object_ == nullptr) {
    return nullptr;
  }
  const Json* value = object_->if_contains({field.data(), field.size()});
  if (value == nullptr && required) {
    fail_with(Error(Errc::kInvalidArgument, fmt::format("{}: is required", path_of(field))));
  }
  return value;
}

std::string ObjectReader::text(const Json* value, std::string_view path, std::size_t max_bytes) {
  const auto* string = value->if_string();
  if (string == nullptr) {
    fail_with(Error(Errc::kInvalidArgument, fmt::format("{}: must be a string", path)));
    return {};
  }
  if (string->size() > max_bytes) {
    fail_with(Error(Errc::kInvalidArgument, fmt::format("{}: {} bytes, at most {} are allowed",
                                                        path, string->size(), max_bytes)));
    return {};
  }
  return {string->data(), string->size()};
}

std::string ObjectReader::required_string(std::string_view field, std::size_t max_bytes) {
  const Json* value = get(field, true);
  if (value == nullptr) {
    return {};
  }
  std::string read = text(value, path_of(field), max_bytes);
  if (read.empty()) {
    fail_with(Error(Errc::kInvalidArgument, fmt::format("{}: must not be empty", path_of(field))));
  }
  return read;
}

std::string ObjectReader::optional_string(std::string_view field, std::size_t max_bytes) {
  const Json* value = get(field, false);
  return value == nullptr ? std::string() : text(value, path_of(field), max_bytes);
}

std::int64_t ObjectReader::optional_int(std::string_view field, std::int64_t min,
                                        std::int64_t max) {
  const Json* value = get(field, false);
  if (value == nullptr) {
    return 0;
  }
  if (!value->is_int64() || value->get_int64() < min || value->get_int64() > max) {
    fail_with(Error(Errc::kInvalidArgument,
                    fmt::format("{}: must be an integer from {} to {}", path_of(field), min, max)));
    return 0;
  }
  return value->get_int64();
}

bool ObjectReader::optional_bool(std::string_view field) {
  const Json* value = get(field, false);
  if (value != nullptr && !value->is_bool()) {
    fail_with(
        Error(Errc::kInvalidArgument, fmt::format("{}: must be true or false", path_of(field))));
    return false;
  }
  return value != nullptr && value->get_bool();
}

std::vector<std::string> ObjectReader::optional_strings(std::string_view field,
                                                        std::size_t max_count,
                                                        std::size_t max_bytes) {
  std::vector<std::string> strings;
  for (const Element& element : optional_elements(field, max_count)) {
    strings.push_back(text(element.value, element.path, max_bytes));
  }
  return strings;
}

std::vector<ObjectReader::Element> ObjectReader::optional_elements(std::string_view field,
                                                                   std::size_t max_count) {
  const Json* value = get(field, false);
  if (value == nullptr) {
    return {};
  }
  const JsonArray* array = value->if_array();
  if (array == nullptr || array->size() > max_count) {
    fail_with(Error(Errc::kInvalidArgument,
                    fmt::format("{}: must be a list of at most {}", path_of(field), max_count)));
    return {};
  }
  std::vector<Element> elements;
  for (std::size_t i = 0; i < array->size(); ++i) {
    elements.push_back({&(*array)[i], fmt::format("{}[{}]", path_of(field), i)});
  }
  return elements;
}

std::vector<std::pair<std::string, ObjectReader::Element>> ObjectReader::optional_members(
    std::string_view field, std::size_t max_count) {
  const Json* value = get(field, false);
  if (value == nullptr) {
    return {};
  }
  const JsonObject* object = value->if_object();
  if (object == nullptr || object->size() > max_count) {
    fail_with(Error(Errc::kInvalidArgument,
                    fmt::format("{}: must be an object of at most {}", path_of(field), max_count)));
    return {};
  }
  std::vector<std::pair<std::string, Element>> members;
  for (const auto& member : *object) {
    std::string key(member.key().data(), member.key().size());
    std::string path = fmt::format("{}[{}]", path_of(field), printable(key, 80));
    members.emplace_back(std::move(key), Element{&member.value(), std::move(path)});
  }
  return members;
}

Status ObjectReader::finish() {
  if (object_ != nullptr) {
    for (const auto& member : *object_) {
      const std::string_view key(member.key().data(), member.key().size());
      if (!asked_.contains(key)) {
        fail_with(Error(Errc::kInvalidArgument,
                        fmt::format("{}: is not a known field", path_of(printable(key, 80)))));
      }
    }
  }
  if (error_) {
    return tl::unexpected<Error>(*error_);
  }
  return {};
}

}  // namespace vk8s::api
