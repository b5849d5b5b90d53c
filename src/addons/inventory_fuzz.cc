#include "addons/inventory.h"
#include "base/fuzz.h"

using namespace vk8s;

// The text of a ConfigMap that anybody in the cluster may have edited.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const JsonObject config_map{
      {"metadata", JsonObject{{"name", "vk8s-addon-demo-0"}}},
      {"data", JsonObject{{"state", "installed"}, {"objects", fuzz::text_of(data, size)}}}};
  const auto inventory = addons::Inventory::parse("demo", {config_map});
  if (!inventory) {
    return 0;
  }
  const auto again = addons::Inventory::parse("demo", {inventory->to_config_map(0, "kube-system")});
  fuzz::require(again && again->entries() == inventory->entries(),
                "an inventory survives being written and read");
  for (const addons::InventoryEntry& entry : inventory->entries()) {
    fuzz::require(!entry.id.name.empty() && entry.id.name.find('/') == std::string::npos,
                  "a name is a part of a path");
  }
  return 0;
}
