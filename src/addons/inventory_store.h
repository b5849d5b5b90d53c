// Reads and writes an Inventory. On the loop's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "addons/inventory.h"
#include "kube/client.h"

namespace vk8s::addons {

// One call at a time: the next one begins when the last has been answered.
class InventoryStore {
 public:
  using TakeInventory = std::function<void(Result<Inventory>)>;

  // client outlives it.
  InventoryStore(kube::Client& client, std::string namespace_name, std::string set_name);

  void load(TakeInventory done);
  // Writes the parts that have changed, the first one last; parts without entries go,
  // but the first. kConflict: somebody else has written, load again. done gets the
  // inventory as it is then.
  void save(Inventory inventory, TakeInventory done);
  // Deletes all parts, the first one last. What is gone already is no error.
  void erase(Inventory inventory, std::function<void(Status)> done);

 private:
  void take_list(Result<Json> list);
  void save_next();
  void take_saved(std::size_t number, Result<Json> saved);
  void take_removed(std::size_t number, Result<Json> removed);
  void erase_next();
  void remove_part(std::size_t number, kube::Client::Callback done);
  void finish(Result<Inventory> result);

  kube::Client& client_;
  const std::string namespace_name_;
  const std::string set_name_;
  Inventory inventory_;
  TakeInventory done_;
  kube::Call call_;
};

}  // namespace vk8s::addons
