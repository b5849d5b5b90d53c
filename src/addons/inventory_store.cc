#include "addons/inventory_store.h"

#include <optional>
#include <utility>

namespace vk8s::addons {
namespace {

const kube::Resource& kKind = kube::resources::kConfigMap;

// The first one says what all of them are for: it is written last.
std::optional<std::size_t> next_of(const Inventory& inventory,
                                   bool (*is_due)(std::size_t, const Inventory::Part&)) {
  for (auto part = inventory.parts().rbegin(); part != inventory.parts().rend(); ++part) {
    if (is_due(part->first, part->second)) {
      return part->first;
    }
  }
  return std::nullopt;
}

}  // namespace

InventoryStore::InventoryStore(kube::Client& client, std::string namespace_name,
                               std::string set_name)
    : client_(client),
      namespace_name_(std::move(namespace_name)),
      set_name_(std::move(set_name)),
      inventory_(set_name_) {}

void InventoryStore::finish(Result<Inventory> result) {
  if (const TakeInventory done = std::exchange(done_, nullptr)) {
    done(std::move(result));
  }
}

void InventoryStore::load(TakeInventory done) {
  done_ = std::move(done);
  const kube::ListOptions options{
      .label_selector = fmt::format("{}={}", kInventoryLabel, set_name_),
      .resource_version = "",
      .omit_managed_fields = true};
  call_ = client_.list(kKind, namespace_name_, options,
                       [this](Result<Json> list) { take_list(std::move(list)); });
}

void InventoryStore::take_list(Result<Json> list) {
  if (!list) {
    finish(tl::unexpected<Error>(std::move(list).error()));
    return;
  }
  const JsonArray* items = base::get_array(*list, "items");
  finish(Inventory::parse(set_name_, items == nullptr ? JsonArray() : *items));
}

void InventoryStore::save(Inventory inventory, TakeInventory done) {
  inventory_ = std::move(inventory);
  done_ = std::move(done);
  save_next();
}

void InventoryStore::save_next() {
  const auto number =
      next_of(inventory_, [](std::size_t, const Inventory::Part& part) { return part.is_changed; });
  if (!number) {
    finish(inventory_);
    return;
  }
  const Inventory::Part& part = inventory_.parts().at(*number);
  const auto saved = [this, number = *number](Result<Json> result) {
    take_saved(number, std::move(result));
  };
  if (*number != 0 && part.entries.empty() && part.resource_version.empty()) {
    inventory_.parts().erase(*number);
    save_next();
  } else if (*number != 0 && part.entries.empty()) {
    remove_part(*number, [this, number = *number](Result<Json> result) {
      take_removed(number, std::move(result));
    });
  } else if (part.resource_version.empty()) {
    call_ = client_.create(kKind, namespace_name_,
                           inventory_.to_config_map(*number, namespace_name_), saved);
  } else {
    call_ = client_.update(kKind, inventory_.to_config_map(*number, namespace_name_), saved);
  }
}

void InventoryStore::take_saved(std::size_t number, Result<Json> saved) {
  if (!saved) {
    // Created or deleted by somebody else meanwhile is written meanwhile.
    const Errc code = saved.error().code();
    const bool is_race = code == Errc::kAlreadyExists || code == Errc::kNotFound;
    finish(tl::unexpected<Error>(is_race ? Error(Errc::kConflict, saved.error().message())
                                         : std::move(saved).error()));
    return;
  }
  Inventory::Part& part = inventory_.parts().at(number);
  part.uid = text_at(*saved, "metadata.uid");
  part.resource_version = text_at(*saved, "metadata.resourceVersion");
  part.is_changed = false;
  save_next();
}

void InventoryStore::remove_part(std::size_t number, kube::Client::Callback done) {
  const Inventory::Part& part = inventory_.parts().at(number);
  call_ =
      client_.remove(kKind, {namespace_name_, inventory_.part_name(number)},
                     {.uid = part.uid, .resource_version = part.resource_version}, std::move(done));
}

void InventoryStore::take_removed(std::size_t number, Result<Json> removed) {
  if (!removed && removed.error().code() != Errc::kNotFound) {
    finish(tl::unexpected<Error>(std::move(removed).error()));
    return;
  }
  inventory_.parts().erase(number);
  save_next();
}

void InventoryStore::erase(Inventory inventory, std::function<void(Status)> done) {
  inventory_ = std::move(inventory);
  done_ = [done = std::move(done)](Result<Inventory> result) {
    if (result) {
      done({});
    } else {
      done(tl::unexpected<Error>(result.error()));
    }
  };
  erase_next();
}

void InventoryStore::erase_next() {
  const auto number = next_of(inventory_, [](std::size_t, const Inventory::Part&) { return true; });
  if (!number) {
    finish(inventory_);
    return;
  }
  remove_part(*number, [this, number = *number](Result<Json> removed) {
    if (!removed && removed.error().code() != Errc::kNotFound) {
      finish(tl::unexpected<Error>(std::move(removed).error()));
      return;
    }
    inventory_.parts().erase(number);
    erase_next();
  });
}

}  // namespace vk8s::addons
