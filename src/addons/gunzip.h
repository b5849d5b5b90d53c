// Gzip (RFC 1952) in memory. Pure; bytes of others.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::addons {

bool is_gzip(std::string_view bytes);

// All members, one after the other. kTooLarge as soon as more than max_bytes come
// out; kInvalidArgument for what is no gzip, is cut short, or has bytes after it.
Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes);

}  // namespace vk8s::addons
