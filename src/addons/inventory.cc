#include "addons/inventory.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::string_view kNamePrefix = "vk8s-addon-";
constexpr std::size_t kMaxConfigMapBytes = 1U << 20U;
constexpr std::size_t kFields = 4;

struct StateName {
  InventoryState state;
  std::string_view name;
};
constexpr std::array kStates = {StateName{InventoryState::kInstalling, "installing"},
                                StateName{InventoryState::kInstalled, "installed"},
                                StateName{InventoryState::kRemoving, "removing"}};

std::string_view name_of(InventoryState state) {
  return std::find_if(kStates.begin(), kStates.end(),
                      [state](const StateName& one) { return one.state == state; })
      ->name;
}

// "apps/v1 Deployment kubeflow ml-pipeline"; "-" stands for no namespace.
std::string line_of(const InventoryEntry& entry) {
  return fmt::format("{} {} {} {}\n", GroupVersion{entry.id.group, entry.version}.to_string(),
                     entry.id.kind, entry.id.namespace_name.empty() ? "-" : entry.id.namespace_name,
                     entry.id.name);
}

bool is_field(std::string_view text, std::ptrdiff_t max_slashes) {
  return !text.empty() && std::count(text.begin(), text.end(), '/') <= max_slashes &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '%'; });
}

Result<InventoryEntry> parse_line(std::string_view line) {
  const auto fields = base::split(line, ' ');
  if (fields.size() != kFields || !is_field(fields[0], 1) || !is_field(fields[1], 0) ||
      !is_field(fields[2], 0) || !is_field(fields[3], 0) || fields[0].front() == '/' ||
      fields[0].back() == '/') {
    return fail(Errc::kInvalidArgument, "an entry is no object's name");
  }
  const auto [group, version] = GroupVersion::parse(fields[0]);
  return InventoryEntry{.id = {.group = group,
                               .kind = std::string(fields[1]),
                               .namespace_name = fields[2] == "-" ? "" : std::string(fields[2]),
                               .name = std::string(fields[3])},
                        .version = version};
}

Result<std::size_t> parse_number(std::string_view name, std::string_view prefix) {
  std::size_t number = 0;
  const std::string_view digits = name.starts_with(prefix) ? name.substr(prefix.size()) : "";
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || result.ec != std::errc() || result.ptr != digits.data() + digits.size() ||
      number > 9999 || (digits.size() > 1 && digits.front() == '0')) {
    return fail(Errc::kInvalidArgument, "its name does not end in a number");
  }
  return number;
}

Result<Inventory::Part> parse_part(const Json& config_map) {
  Inventory::Part part;
  part.uid = text_at(config_map, "metadata.uid");
  part.resource_version = text_at(config_map, "metadata.resourceVersion");
  part.is_changed = false;
  const std::string text = text_at(config_map, "data.objects");
  if (text.size() > kMaxConfigMapBytes) {
    return fail(Errc::kTooLarge, "more than {} bytes", kMaxConfigMapBytes);
  }
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.empty()) {
      continue;
    }
    InventoryEntry entry = VK8S_TRY(parse_line(line));
    part.bytes += line_of(entry).size();
    part.entries.insert(std::move(entry));
  }
  return part;
}

// Whether it is there already: with its new version then, in its old place.
bool put_again(std::map<std::size_t, Inventory::Part>& parts, const InventoryEntry& entry) {
  for (auto& [number, part] : parts) {
    const auto found = part.entries.find(entry);
    if (found != part.entries.end()) {
      if (found->version != entry.version) {
        part.bytes += line_of(entry).size() - line_of(*found).size();
        part.entries.erase(found);
        part.entries.insert(entry);
        part.is_changed = true;
      }
      return true;
    }
  }
  return false;
}

}  // namespace

std::string Inventory::part_name(std::size_t number) const {
  return fmt::format("{}{}-{}", kNamePrefix, set_, number);
}

Result<Inventory> Inventory::parse(std::string set, const JsonArray& config_maps) {
  Inventory inventory(std::move(set));
  const std::string prefix = fmt::format("{}{}-", kNamePrefix, inventory.set_);
  for (const Json& config_map : config_maps) {
    const std::string name = text_at(config_map, "metadata.name");
    const std::string shown = base::printable(name, 128);
    const std::size_t number =
        VK8S_TRY_CONTEXT(parse_number(name, prefix), "inventory ConfigMap {}", shown);
    Part part = VK8S_TRY_CONTEXT(parse_part(config_map), "inventory ConfigMap {}", shown);
    inventory.parts_[number] = std::move(part);
    if (number == 0) {
      const std::string state = text_at(config_map, "data.state");
      const auto* known = std::find_if(kStates.begin(), kStates.end(),
                                       [&](const StateName& one) { return one.name == state; });
      if (known == kStates.end()) {
        return fail(Errc::kInvalidArgument, "inventory ConfigMap {}: unknown state", shown);
      }
      inventory.state_ = known->state;
      inventory.digest_ = base::printable(text_at(config_map, "data.digest"), 128);
      inventory.version_ = base::printable(text_at(config_map, "data.version"), 64);
    }
  }
  return inventory;
}

Status Inventory::add(const std::vector<InventoryEntry>& entries, const Limits& limits) {
  std::map<std::size_t, Part> parts = parts_;
  if (parts.empty()) {
    parts[0];
  }
  for (const InventoryEntry& entry : entries) {
    if (put_again(parts, entry)) {
      continue;
    }
    const std::size_t bytes = line_of(entry).size();
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& one) {
      return one.second.bytes + bytes <= limits.max_part_bytes;
    });
    const std::size_t number = found != parts.end() ? found->first : parts.rbegin()->first + 1;
    Part& part = parts[number];
    if (parts.size() > limits.max_parts || bytes > limits.max_part_bytes) {
      return fail(Errc::kTooLarge, "inventory of {}: there is no room for {} objects", set_,
                  entries.size());
    }
    part.entries.insert(entry);
    part.bytes += bytes;
    part.is_changed = true;
  }
  parts_ = std::move(parts);
  return {};
}

void Inventory::remove(const ObjectId& id) {
  for (auto& [number, part] : parts_) {
    const auto found = part.entries.find(InventoryEntry{.id = id, .version = ""});
    if (found != part.entries.end()) {
      part.bytes -= line_of(*found).size();
      part.entries.erase(found);
      part.is_changed = true;
    }
  }
}

bool Inventory::contains(const ObjectId& id) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const auto& one) {
    return one.second.entries.contains(InventoryEntry{.id = id, .version = ""});
  });
}

std::vector<InventoryEntry> Inventory::entries() const {
  std::set<InventoryEntry> all;
  for (const auto& [number, part] : parts_) {
    all.insert(part.entries.begin(), part.entries.end());
  }
  return {all.begin(), all.end()};
}

void Inventory::describe(InventoryState state, std::string digest, std::string version) {
  Part& first = parts_[0];
  first.is_changed =
      first.is_changed || state_ != state || digest_ != digest || version_ != version;
  state_ = state;
  digest_ = std::move(digest);
  version_ = std::move(version);
}

Json Inventory::to_config_map(std::size_t number, std::string_view namespace_name) const {
  const Part& part = parts_.at(number);
  std::string text;
  for (const InventoryEntry& entry : part.entries) {
    text += line_of(entry);
  }
  JsonObject labels;
  labels[kInventoryLabel] = set_;
  JsonObject metadata{{"name", part_name(number)},
                      {"namespace", std::string(namespace_name)},
                      {"labels", std::move(labels)}};
  if (!part.resource_version.empty()) {
    metadata["uid"] = part.uid;
    metadata["resourceVersion"] = part.resource_version;
  }
  JsonObject data{{"objects", text}};
  if (number == 0) {
    data["state"] = std::string(name_of(state_));
    data["digest"] = digest_;
    data["version"] = version_;
  }
  return JsonObject{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", std::move(metadata)},
                    {"data", std::move(data)}};
}

}  // namespace vk8s::addons
