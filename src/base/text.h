// Small pure functions on text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vk8s::base {

// The text with control characters (and invalid UTF-8) replaced by '?', at most
// max_bytes long: for bytes of others that end in logs, status or a terminal.
std::string printable(std::string_view text, std::size_t max_bytes = 4096);

// Parts between separators; "" gives no part at all.
std::vector<std::string_view> split(std::string_view text, char separator);

std::string_view trim(std::string_view text);

}  // namespace vk8s::base
