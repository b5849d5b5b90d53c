#include "kube/yaml_writer.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace vk8s::kube {
namespace {

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

bool is_block(const Json& value) {
  return (value.is_object() && !value.get_object().empty()) ||
         (value.is_array() && !value.get_array().empty());
}

// The first line's indentation has been written.
void write(std::string& out, const Json& value, std::size_t indent) {
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
      write(out, item, indent + 2);
    }
    return;
  }
  for (const auto& [key, member] : value.get_object()) {
    begin_entry();
    out += scalar(Json(key)) + ':';
    const std::size_t deeper = member.is_array() ? indent : indent + 2;
    out += is_block(member) ? "\n" + std::string(deeper, ' ') : " ";
    write(out, member, deeper);
  }
}

}  // namespace

std::string to_yaml(const Json& document) {
  std::string out;
  write(out, document, 0);
  return out;
}

std::string to_yaml(const std::vector<Json>& documents) {
  std::string out;
  for (const Json& document : documents) {
    out += out.empty() ? "" : "---\n";
    out += to_yaml(document);
  }
  return out;
}

}  // namespace vk8s::kube
