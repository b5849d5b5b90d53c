// JSON documents as text for people: indented JSON, and YAML 1.2 block style.
// Bytes of others in them are safe to show. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace vk8s::cli {

// Keys keep their order; both end in a newline.
std::string to_indented_json(const Json& document);
// A string is quoted wherever a reader could take it for something else.
std::string to_yaml(const Json& document);

}  // namespace vk8s::cli
