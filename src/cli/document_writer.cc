#include "cli/document_writer.h"

#include <algorithm>
#include <array>

#include "cli/clean_text.h"

namespace vk8s::cli {
namespace {

bool is_block(const Json& value) {
  return (value.is_object() && !value.get_object().empty()) ||
         (value.is_array() && !value.get_array().empty());
}

void write_json(std::string& out, const Json& value, std::size_t indent) {
  if (!is_block(value)) {
    out += base::to_string(value);
    return;
  }
  const std::string line = "\n" + std::string(indent + 2, ' ');
  std::string_view separator = "";
  out += value.is_object() ? '{' : '[';
  if (value.is_object()) {
    for (const auto& [key, member] : value.get_object()) {
      out += separator;
      out += line + base::to_string(Json(key)) + ": ";
      write_json(out, member, indent + 2);
      separator = ",";
    }
  } else {
    for (const Json& item : value.get_array()) {
      out += separator;
      out += line;
      write_json(out, item, indent + 2);
      separator = ",";
    }
  }
  out += "\n" + std::string(indent, ' ') + (value.is_object() ? '}' : ']');
}

// Plain in YAML only if no reader can take it for a number, a boolean, null or
// syntax: letters first, then a small alphabet, and none of the reserved words.
bool is_plain(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kReserved = {
      "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan", "none"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_safe = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') ||
           std::string_view("-_./").find(c) != std::string_view::npos;
  };
  if (text.empty() || text.size() > 80 || !is_letter(text[0])) {
    return false;
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::all_of(text.begin(), text.end(), is_safe) &&
         std::find(kReserved.begin(), kReserved.end(), lower) == kReserved.end();
}

std::string scalar(const Json& value) {
  if (value.is_string() && is_plain({value.get_string().data(), value.get_string().size()})) {
    return std::string(value.get_string());
  }
  return base::to_string(value);  // a JSON scalar is a YAML flow scalar
}

// The first line's indentation has been written.
void write_yaml(std::string& out, const Json& value, std::size_t indent) {
  if (!is_block(value)) {
    out += scalar(value) + '\n';
    return;
  }
  bool first = true;
  const auto begin_entry = [&] {
    out.append(first ? 0 : indent, ' ');
    first = false;
  };
  if (value.is_array()) {
    for (const Json& item : value.get_array()) {
      begin_entry();
      out += "- ";
      write_yaml(out, item, indent + 2);
    }
    return;
  }
  for (const auto& [key, member] : value.get_object()) {
    begin_entry();
    out += scalar(Json(key)) + ':';
    const std::size_t deeper = member.is_array() ? indent : indent + 2;
    out += is_block(member) ? "\n" + std::string(deeper, ' ') : " ";
    write_yaml(out, member, deeper);
  }
}

}  // namespace

std::string to_indented_json(const Json& document) {
  std::string out;
  write_json(out, document, 0);
  return escape_unprintable(out) + '\n';
}

std::string to_yaml(const Json& document) {
  std::string out;
  write_yaml(out, document, 0);
  return escape_unprintable(out);
}

}  // namespace vk8s::cli
