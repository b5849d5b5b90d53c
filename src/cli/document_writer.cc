#include "cli/document_writer.h"

#include "cli/clean_text.h"
#include "kube/yaml_writer.h"

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

}  // namespace

std::string to_indented_json(const Json& document) {
  std::string out;
  write_json(out, document, 0);
  return escape_unprintable(out) + '\n';
}

std::string to_yaml(const Json& document) { return escape_unprintable(kube::to_yaml(document)); }

}  // namespace vk8s::cli
