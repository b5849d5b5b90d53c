// Which objects of a cluster may be an add-on's: what a process that has just been born
// prunes and uninstalls by. Kept in ConfigMaps of bounded size; pure, inventory_store.h
// reads and writes them.
//
// An entry stays in the ConfigMap that it once came into, so that no crash between two
// writes loses one: add() fills up and appends, remove() only takes out.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "addons/object_id.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::addons {

inline constexpr const char* kInventoryLabel = "vk8s.sktelecom.com/addon-inventory";

struct InventoryEntry {
  ObjectId id;
  std::string version;  // the one it was applied in

  auto operator<=>(const InventoryEntry& other) const { return id <=> other.id; }
  bool operator==(const InventoryEntry& other) const { return id == other.id; }
};

enum class InventoryState {
  kInstalling,  // some entries may not be there, others may have been dropped
  kInstalled,   // all of `digest` was applied and what it dropped is gone
  kRemoving,    // everything is to go
};

class Inventory {
 public:
  struct Limits {
    std::size_t max_part_bytes = 256U << 10U;
    std::size_t max_parts = 32;
  };
  // One ConfigMap.
  struct Part {
    std::set<InventoryEntry> entries;
    std::size_t bytes = 0;
    std::string uid;  // "" = not written yet
    std::string resource_version;
    bool is_changed = true;
  };

  // set: a DNS label of at most 40 characters.
  explicit Inventory(std::string set) : set_(std::move(set)) {}
  // From the ConfigMaps there are; kInvalidArgument, with its name, for one that cannot
  // be read: then nothing must be pruned.
  static Result<Inventory> parse(std::string set, const JsonArray& config_maps);

  // kTooLarge where there is no room; then nothing is added.
  Status add(const std::vector<InventoryEntry>& entries, const Limits& limits);
  Status add(const std::vector<InventoryEntry>& entries) { return add(entries, Limits()); }
  void remove(const ObjectId& id);
  bool contains(const ObjectId& id) const;
  std::vector<InventoryEntry> entries() const;
  bool empty() const { return parts_.empty(); }

  InventoryState state() const { return state_; }
  const std::string& digest() const { return digest_; }
  const std::string& version() const { return version_; }
  // What is being installed or was.
  void describe(InventoryState state, std::string digest, std::string version);

  // By number. The first one carries state, digest and version, and is written last.
  std::map<std::size_t, Part>& parts() { return parts_; }
  const std::map<std::size_t, Part>& parts() const { return parts_; }
  std::string part_name(std::size_t number) const;
  Json to_config_map(std::size_t number, std::string_view namespace_name) const;

 private:
  std::string set_;
  std::map<std::size_t, Part> parts_;
  InventoryState state_ = InventoryState::kInstalling;
  std::string digest_;
  std::string version_;
};

}  // namespace vk8s::addons
