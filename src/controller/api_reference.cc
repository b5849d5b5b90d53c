#include "controller/api_reference.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "api/vk8s.h"
#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

bool is_record(const Json& schema) { return base::get_object(schema, "properties") != nullptr; }

bool is_list(const Json& schema) { return base::get_string(schema, "type") == "array"; }

// What a field is made of: the items of a list, else itself.
const Json& element(const Json& schema) {
  const Json* items = is_list(schema) ? base::find(schema, "items") : nullptr;
  return items == nullptr ? schema : *items;
}

std::string replaced(std::string words, std::string_view from, std::string_view to) {
  for (std::size_t at = words.find(from); at != std::string::npos;
       at = words.find(from, at + to.size())) {
    words.replace(at, from.size(), to);
  }
  return words;
}

// Words of the schema in a cell: no markup, no end of the cell.
std::string plain(std::string words) {
  return replaced(replaced(std::move(words), "|", "\\|"), "<", "\\<");
}

std::string code(std::string_view words) {
  return fmt::format("`{}`", replaced(std::string(words), "|", "\\|"));
}

// The anchor that a heading of this text has.
std::string anchor(std::string_view heading) {
  std::string out;
  for (const char c : heading) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      out += c;
    }
  }
  return out;
}

std::string type_of(const Json& schema, const std::string& path) {
  if (base::get_bool(schema, "x-kubernetes-int-or-string").value_or(false)) {
    return "quantity";
  }
  if (is_list(schema)) {
    return "list of " + type_of(element(schema), path);
  }
  if (is_record(schema)) {
    return fmt::format("[object](#{})", anchor(path));
  }
  if (const Json* values = base::find(schema, "additionalProperties")) {
    return "map of " + type_of(*values, path);
  }
  return base::get_string(schema, "format") == "date-time" ? "time" : text(schema, "type");
}

std::string choices_of(const Json& schema) {
  const JsonArray* values = base::get_array(schema, "enum");
  std::string out;
  for (const Json& value : values == nullptr ? JsonArray() : *values) {
    out += (out.empty() ? "One of " : ", ") + code(std::string(value.as_string()));
  }
  return out;
}

// "1 to 64 items", "at most 253 characters"; "" where the schema sets no bound.
std::string bounds_of(const Json& schema) {
  const auto most = [&](std::string_view key, std::string_view unit) {
    const auto bound = base::get_int(schema, key);
    return bound ? fmt::format("At most {} {}", *bound, unit) : std::string();
  };
  if (base::get_bool(schema, "x-kubernetes-int-or-string").value_or(false)) {
    return "More than 0, less than 8Pi";
  }
  if (const auto minimum = base::get_int(schema, "minimum")) {
    return fmt::format("{} to {}", *minimum, base::get_int(schema, "maximum").value_or(0));
  }
  if (const auto least = base::get_int(schema, "minItems")) {
    return fmt::format("{} to {} items", *least, base::get_int(schema, "maxItems").value_or(0));
  }
  if (is_list(schema)) {
    return most("maxItems", "items");
  }
  if (base::find(schema, "additionalProperties") != nullptr) {
    return most("maxProperties", "entries");
  }
  return most("maxLength", "characters");
}

std::string keys_of(const Json& schema) {
  const JsonArray* keys = base::get_array(schema, "x-kubernetes-list-map-keys");
  std::string out;
  for (const Json& key : keys == nullptr ? JsonArray() : *keys) {
    out += (out.empty() ? "Told apart by " : " and ") + code(std::string(key.as_string()));
  }
  return out;
}

std::string default_of(const Json& schema) {
  const Json* value = base::find(schema, "default");
  if (value == nullptr || value->is_object()) {
    return {};
  }
  const std::string words =
      value->is_string() ? std::string(value->as_string()) : base::to_string(*value);
  return "Default: " + code(words);
}

std::string pattern_of(const Json& schema) {
  const std::string pattern = text(schema, "pattern");
  const bool is_quantity = base::get_bool(schema, "x-kubernetes-int-or-string").value_or(false);
  return pattern.empty() || is_quantity ? std::string() : "Pattern " + code(pattern);
}

bool is_required(const Json& schema, std::string_view field) {
  const JsonArray* required = base::get_array(schema, "required");
  for (const Json& name : required == nullptr ? JsonArray() : *required) {
    if (std::string(name.as_string()) == field) {
      return true;
    }
  }
  return false;
}

// Sentences, one after the other.
std::string meaning_of(const Json& field, bool required) {
  std::string out = required ? "**Required.**" : "";
  for (const std::string& words :
       {plain(text(field, "description")), choices_of(field), keys_of(field), default_of(field),
        bounds_of(field), pattern_of(field)}) {
    if (!words.empty()) {
      out += (out.empty() ? "" : " ") + words + (words.ends_with('.') ? "" : ".");
    }
  }
  return out;
}

void add_rules(const Json& schema, std::vector<std::string>& out) {
  const JsonArray* rules = base::get_array(schema, "x-kubernetes-validations");
  for (const Json& rule : rules == nullptr ? JsonArray() : *rules) {
    out.push_back(plain(text(rule, "message")));
  }
}

// Rules of a table's object and of its fields, but for those that have a table.
std::vector<std::string> rules_of(const Json& schema) {
  std::vector<std::string> out;
  add_rules(schema, out);
  const JsonObject* fields = base::get_object(schema, "properties");
  for (const auto& field : fields == nullptr ? JsonObject() : *fields) {
    if (!is_record(field.value())) {
      add_rules(field.value(), out);
    }
    if (is_list(field.value()) && !is_record(element(field.value()))) {
      add_rules(element(field.value()), out);
    }
  }
  return out;
}

void write_rules(const std::vector<std::string>& rules, std::string& out) {
  if (rules.empty()) {
    return;
  }
  out += "\nRules:\n";
  for (const std::string& rule : rules) {
    out += fmt::format("- {}\n", rule);
  }
}

// The table of an object, then those of the objects in it.
void write_object(const std::string& path, const Json& schema, std::string& out) {
  const JsonObject* fields = base::get_object(schema, "properties");
  if (fields == nullptr) {
    return;
  }
  out += fmt::format("\n{} {}\n\n| field | type | meaning |\n|---|---|---|\n",
                     path.find('.') == std::string::npos ? "##" : "###", path);
  std::vector<std::pair<std::string, const Json*>> below;
  for (const auto& field : *fields) {
    const std::string name(field.key());
    const std::string child =
        fmt::format("{}.{}{}", path, name, is_list(field.value()) ? "[]" : "");
    out += fmt::format("| `{}` | {} | {} |\n", name, type_of(field.value(), child),
                       meaning_of(field.value(), is_required(schema, name)));
    if (is_record(element(field.value()))) {
      below.emplace_back(child, &element(field.value()));
    }
  }
  write_rules(rules_of(schema), out);
  for (const auto& [child, object] : below) {
    write_object(child, *object, out);
  }
}

std::string columns_of(const Json& version, int priority) {
  const JsonArray* columns = base::get_array(version, "additionalPrinterColumns");
  std::string out;
  for (const Json& column : columns == nullptr ? JsonArray() : *columns) {
    if (base::get_int(column, "priority") == priority) {
      out += (out.empty() ? "" : ", ") + text(column, "name");
    }
  }
  return out;
}

void write_table(std::string_view heading, std::string_view first, const Rows& rows,
                 std::string& out) {
  out += fmt::format("\n## {}\n\n| {} | meaning |\n|---|---|\n", heading, first);
  for (const auto& [name, meaning] : rows) {
    out += fmt::format("| `{}` | {} |\n", name, meaning);
  }
}

Rows annotations() {
  return {
      {std::string(api::kStoppedAnnotation),
       "Present, whatever its value: the cluster is paused, as by `spec.paused`."},
      {std::string(api::kForcePauseAnnotation),
       "`true`: pause even a cluster whose master has no volume; its state is lost."},
      {std::string(api::kNetworkAnnotation), "`false`: wait with the first object."},
      {"<node name>",
       fmt::format("A GPU type: the node's pod goes to a host node with the label `{}` of that "
                   "value.",
                   api::kGpuTypeLabel)},
  };
}

Rows phases() {
  namespace phase = api::phase;
  return {
      {std::string(phase::kWaiting), "An earlier cluster of this name has not gone yet."},
      {std::string(phase::kWaitingNetwork),
       fmt::format("The annotation `{}` is `false`.", api::kNetworkAnnotation)},
      {std::string(phase::kInstalling), "The nodes are on their way to Ready."},
      {std::string(phase::kRunning), "Every node is Ready."},
      {std::string(phase::kPaused), "The nodes are stopped, or stop; their volumes stay."},
      {std::string(phase::kRestarting), "It was whole before, and a node is not Ready."},
      {std::string(phase::kTerminating), "It is being deleted."},
      {std::string(phase::kFail),
       "It cannot go on until something changes: `status.message` says what."},
  };
}

// The tables of a kind that stands behind Vk8s: their names begin with its.
void write_kind(const Json& crd, std::string& out) {
  const Json& version = *base::find(crd, "spec.versions.0");
  const Json& root = *base::find(version, "schema.openAPIV3Schema");
  const std::string kind = text(crd, "spec.names.kind");
  out += fmt::format("\n## {}\n\n{} `{}/{}`, short name `{}`, not namespaced.\n", kind,
                     text(root, "description"), text(crd, "spec.group"), text(version, "name"),
                     text(crd, "spec.names.shortNames.0"));
  write_rules(rules_of(root), out);
  for (const char* part : {"spec", "status"}) {
    if (const Json* schema = base::find(root, fmt::format("properties.{}", part))) {
      write_object(fmt::format("{}.{}", kind, part), *schema, out);
    }
  }
}

}  // namespace

std::string api_reference() {
  const Json crd = crd_manifest();
  const Json& version = *base::find(crd, "spec.versions.0");
  const Json& root = *base::find(version, "schema.openAPIV3Schema");
  std::string out = fmt::format(
      "<!-- Generated by `vk8s-controller generate api`: change the source, not this. -->\n"
      "# The Vk8s resource\n\n{} `{}/{}`, kind `{}`, short name `{}`, namespaced.\n\n"
      "On a cluster that has it: `kubectl explain vk8s.spec --recursive`. `kubectl get vk8s` shows "
      "{}; `-o wide` also {}.\n",
      text(root, "description"), text(crd, "spec.group"), text(version, "name"),
      text(crd, "spec.names.kind"), text(crd, "spec.names.shortNames.0"), columns_of(version, 0),
      columns_of(version, 1));
  write_rules(rules_of(root), out);
  write_object("spec", *base::find(root, "properties.spec"), out);
  write_object("status", *base::find(root, "properties.status"), out);
  write_table("Phases", "`status.phase`", phases(), out);
  write_table("Annotations", "annotation", annotations(), out);
  write_kind(ip_pool_crd_manifest(), out);
  write_kind(ip_allocation_crd_manifest(), out);
  return out;
}

}  // namespace vk8s::controller
