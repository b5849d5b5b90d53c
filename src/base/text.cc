#include "base/text.h"

namespace vk8s::base {
namespace {

// Length of the UTF-8 sequence at the front of text, 0 if it is not valid.
// Source: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
std::size_t utf8_sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto is_tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char first = at(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF && is_tail(1)) {
    return 2;
  }
  if (first >= 0xE0 && first <= 0xEF && is_tail(1) && is_tail(2)) {
    const bool overlong = first == 0xE0 && at(1) < 0xA0;
    const bool surrogate = first == 0xED && at(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4 && is_tail(1) && is_tail(2) && is_tail(3)) {
    const bool overlong = first == 0xF0 && at(1) < 0x90;
    const bool beyond = first == 0xF4 && at(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

std::size_t printable_length(std::string_view text) {
  const std::size_t length = utf8_sequence_length(text);
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (length == 1) {
    return at(0) < 0x20 || at(0) == 0x7F ? 0 : 1;
  }
  // C1 controls (U+0080 to U+009F) act on terminals as well.
  if (length == 2 && at(0) == 0xC2 && at(1) < 0xA0) {
    return 0;
  }
  // U+2028 to U+202E and U+2066 to U+2069: separators and direction marks.
  if (length == 3 && at(0) == 0xE2 &&
      ((at(1) == 0x80 && at(2) >= 0xA8 && at(2) <= 0xAE) ||
       (at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9))) {
    return 0;
  }
  return length;
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(text.size() < max_bytes ? text.size() : max_bytes);
  while (!text.empty()) {
    const std::size_t length = printable_length(text);
    const std::string_view piece = length == 0 ? std::string_view("?") : text.substr(0, length);
    if (out.size() + piece.size() > max_bytes) {
      break;
    }
    out += piece;
    // A bad sequence is left as a whole if it is a character, else byte by byte.
    const std::size_t sequence = utf8_sequence_length(text);
    text.remove_prefix(sequence == 0 ? 1 : sequence);
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      break;
    }
    text.remove_prefix(end + 1);
    if (text.empty()) {
      parts.emplace_back();
    }
  }
  return parts;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace vk8s::base
