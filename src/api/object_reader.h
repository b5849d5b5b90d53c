// Strict reading of one JSON object, for this module only: each field is asked
// for once by name; finish() refuses what nobody asked for. The first failure is
// kept, so that callers ask for all fields and look once.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::api {

class ObjectReader {
 public:
  // path names the object in messages: "" at the top, "taints[2]" inside.
  ObjectReader(const Json& value, std::string path);

  // Absent: "" / 0 / false / none. required_string refuses absent and empty.
  std::string required_string(std::string_view field, std::size_t max_bytes);
  std::string optional_string(std::string_view field, std::size_t max_bytes);
  std::int64_t optional_int(std::string_view field, std::int64_t min, std::int64_t max);
  bool optional_bool(std::string_view field);
  std::vector<std::string> optional_strings(std::string_view field, std::size_t max_count,
                                            std::size_t max_bytes);
  // The elements of an array, each with its path.
  struct Element {
    const Json* value;
    std::string path;
  };
  std::vector<Element> optional_elements(std::string_view field, std::size_t max_count);
  // The members of an object of any keys.
  std::vector<std::pair<std::string, Element>> optional_members(std::string_view field,
                                                                std::size_t max_count);

  // Takes over a failure of an element's reader or a check of the caller's.
  void fail_with(Error error);
  Status finish();

 private:
  const Json* get(std::string_view field, bool required);
  std::string text(const Json* value, std::string_view path, std::size_t max_bytes);
  std::string path_of(std::string_view field) const;

  const JsonObject* object_ = nullptr;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  std::optional<Error> error_;
};

}  // namespace vk8s::api
