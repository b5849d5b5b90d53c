// Small pure functions on text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vk8s::base {

// Length of the UTF-8 sequence at the front of text (not empty) if it is safe to
// show, else 0: controls (C0, DEL, C1), line and paragraph separators, the marks
// that turn the direction of writing, and invalid UTF-8.
std::size_t printable_length(std::string_view text);

// The text with everything that is not safe to show replaced by '?', at most
// max_bytes long: for bytes of others that end in logs, status or a terminal.
std::string printable(std::string_view text, std::size_t max_bytes = 4096);

// Parts between separators; "" gives no part at all.
std::vector<std::string_view> split(std::string_view text, char separator);

std::string_view trim(std::string_view text);

}  // namespace vk8s::base
