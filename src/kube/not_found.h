// What a 404 says.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::kube {

// Whether the API server has said that there is no object of this name. That the kind or
// the path is not served (a CRD that is missing, an aggregated server, a proxy) is a 404
// as well, and no word about the object.
inline bool says_it_is_gone(const Error& error, std::string_view name) {
  return error.code() == Errc::kNotFound &&
         error.message().find(fmt::format("\"{}\" not found", name)) != std::string::npos;
}

}  // namespace vk8s::kube
