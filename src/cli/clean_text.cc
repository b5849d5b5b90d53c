#include "cli/clean_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/text.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 64U << 10U;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Length of the UTF-8 sequence at the front by its first byte; 1 for what is none.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (length > text.size()) {
    return 1;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) {
      return 1;
    }
  }
  return length;
}

std::uint32_t code_point(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence.front());
  if (sequence.size() == 1) {
    return first < 0x80 ? first : 0xFFFD;
  }
  std::uint32_t value = first & (0x7FU >> sequence.size());
  for (const char c : sequence.substr(1)) {
    value = (value << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
  }
  return value;
}

std::string escaped(std::uint32_t point) {
  if (point < 0x10000) {
    return fmt::format("\\u{:04x}", point);
  }
  point -= 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (point >> 10U), 0xDC00 + (point & 0x3FFU));
}

}  // namespace

std::string clean_line(std::string_view line) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  std::string out;
  while (true) {
    const std::size_t tab = line.find('\t');
    out += base::printable(line.substr(0, tab), kMaxLineBytes);
    if (tab == std::string_view::npos) {
      return out;
    }
    out += '\t';
    line.remove_prefix(tab + 1);
  }
}

std::string clean_field(const Json& object, std::string_view path, std::size_t max_bytes) {
  return base::printable(base::get_string(object, path).value_or(std::string_view()), max_bytes);
}

std::string escape_unprintable(std::string_view document) {
  std::string out;
  out.reserve(document.size());
  while (!document.empty()) {
    std::size_t length = base::printable_length(document);
    if (length > 0 || document.front() == '\n') {
      length = std::max<std::size_t>(length, 1);
      out += document.substr(0, length);
    } else {
      length = sequence_length(document);
      out += escaped(code_point(document.substr(0, length)));
    }
    document.remove_prefix(length);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string fit_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) {
    return std::string(text);
  }
  const std::string_view mark = columns > 2 ? ".." : "";
  std::size_t room = columns - mark.size();
  std::size_t end = 0;
  while (end < text.size() && room > 0) {
    end += sequence_length(text.substr(end));
    --room;
  }
  return std::string(text.substr(0, end)) + std::string(mark);
}

}  // namespace vk8s::cli
