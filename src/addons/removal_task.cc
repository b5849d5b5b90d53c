#include "addons/removal_task.h"

#include <utility>

#include "addons/apply_decision.h"
#include "addons/kinds.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

// What the CRD's objects are read as; nothing where it serves none.
std::optional<kube::Resource> instances_of(const Json& definition) {
  const JsonArray* versions = base::get_array(definition, "spec.versions");
  const std::string group = text_at(definition, "spec.group");
  const std::string plural = text_at(definition, "spec.names.plural");
  if (versions == nullptr || !base::is_dns_subdomain(group) || !base::is_dns_label(plural)) {
    return std::nullopt;
  }
  for (const Json& version : *versions) {
    const std::string name = text_at(version, "name");
    if (base::get_bool(version, "served").value_or(false) && base::is_dns_label(name)) {
      return kube::Resource{group, name, plural, text_at(definition, "spec.names.kind"),
                            base::get_string(definition, "spec.scope") == "Namespaced"};
    }
  }
  return std::nullopt;
}

}  // namespace

int removal_rank(const ObjectId& id) {
  if (holds_data(id.group, id.kind)) {
    return 6;
  }
  switch (stage_of(id.group, id.kind)) {
    case Stage::kCustomResources:
      return 0;
    case Stage::kWebhooks:
      return is_api_service(id.group, id.kind) ? 2 : 1;
    case Stage::kWorkloads:
      return 3;
    case Stage::kConfiguration:
      return 4;
    case Stage::kDefinitions:
      return 5;
    case Stage::kNamespaces:
      return 7;
  }
  return 4;
}

RemovalTask::RemovalTask(kube::Client& client, KindResolver& resolver, InventoryEntry entry,
                         std::string set_name, RemovalOptions options, bool is_patient, Done done)
    : client_(client),
      resolver_(resolver),
      entry_(std::move(entry)),
      set_name_(std::move(set_name)),
      options_(options),
      is_patient_(is_patient),
      done_(std::move(done)),
      self_(std::make_shared<RemovalTask*>(this)) {}

void RemovalTask::start() {
  resolver_.resolve_any(entry_.id, entry_.version,
                        [weak = std::weak_ptr(self_)](Result<kube::Resource> resource) {
                          if (const auto self = weak.lock()) {
                            (*self)->take_resource(std::move(resource));
                          }
                        });
}

void RemovalTask::take_resource(Result<kube::Resource> resource) {
  if (!resource && resource.error().code() == Errc::kNotFound) {
    finish(RemovalResult::kGone);
    return;
  }
  if (!resource) {
    retry(resource.error());
    return;
  }
  resource_ = *std::move(resource);
  if (!resource_.namespaced) {
    entry_.id.namespace_name.clear();
  } else if (entry_.id.namespace_name.empty()) {
    entry_.id.namespace_name = "default";
  }
  call_ = client_.get(resource_, entry_.id.key(),
                      [this](Result<Json> live) { take_live(std::move(live)); });
}

void RemovalTask::take_live(Result<Json> live) {
  if (!live && live.error().code() == Errc::kNotFound) {
    finish(RemovalResult::kGone);
    return;
  }
  if (!live) {
    retry(live.error());
    return;
  }
  const ObjectId& id = entry_.id;
  uid_ = text_at(*live, "metadata.uid");
  if (!is_of_set(*live, set_name_)) {
    finish(RemovalResult::kGone);
  } else if (base::find(*live, "metadata.deletionTimestamp") != nullptr) {
    finish(RemovalResult::kPending, describe_deletion(*live));
  } else if (options_.delete_data) {
    remove();
  } else if (holds_data(id.group, id.kind)) {
    finish(RemovalResult::kKept, "it holds data");
  } else if (is_definition(id.group, id.kind)) {
    look_for_instances(*live);
  } else if (is_namespace(id.group, id.kind)) {
    look_for_claims();
  } else {
    remove();
  }
}

void RemovalTask::look_for_instances(const Json& definition) {
  const auto kind = instances_of(definition);
  if (!kind) {
    remove();
    return;
  }
  call_ = client_.list(*kind, "", {.resource_version = "", .limit = 1}, [this](Result<Json> list) {
    // Not served (yet, or any more): then nothing is stored either.
    if (!list && list.error().code() == Errc::kNotFound) {
      remove();
    } else {
      take_list(std::move(list), "objects of its kind are left", &RemovalTask::remove);
    }
  });
}

void RemovalTask::look_for_claims() {
  call_ = client_.list(kube::resources::kPersistentVolumeClaim, entry_.id.name,
                       {.resource_version = "", .limit = 1}, [this](Result<Json> list) {
                         take_list(std::move(list), "a volume claim is left in it",
                                   &RemovalTask::look_for_pods);
                       });
}

void RemovalTask::look_for_pods() {
  call_ = client_.list(kube::resources::kPod, entry_.id.name, {.resource_version = "", .limit = 1},
                       [this](Result<Json> list) {
                         const JsonArray* items = list ? base::get_array(*list, "items") : nullptr;
                         if (is_patient_ && items != nullptr && !items->empty()) {
                           finish(RemovalResult::kPending, "pods are left in it");
                         } else {
                           take_list(std::move(list), "pods are left in it", &RemovalTask::remove);
                         }
                       });
}

void RemovalTask::take_list(Result<Json> list, const std::string& reason,
                            void (RemovalTask::*next)()) {
  if (!list) {
    retry(list.error());
    return;
  }
  const JsonArray* items = base::get_array(*list, "items");
  if (items != nullptr && !items->empty()) {
    finish(RemovalResult::kKept, reason);
  } else {
    (this->*next)();
  }
}

void RemovalTask::remove() {
  call_ = client_.remove(resource_, entry_.id.key(), {.uid = uid_}, [this](Result<Json> removed) {
    if (!removed && removed.error().code() == Errc::kNotFound) {
      finish(RemovalResult::kGone);
    } else if (!removed) {
      retry(removed.error());
    } else {
      // The next look says whether it has gone.
      finish(RemovalResult::kPending, "it is being deleted");
    }
  });
}

void RemovalTask::finish(RemovalResult result, std::string reason) {
  if (const Done done = std::exchange(done_, nullptr)) {
    done({.result = result, .reason = std::move(reason)});
  }
}

void RemovalTask::retry(const Error& error) {
  finish(RemovalResult::kPending, base::printable(error.message(), 512));
}

}  // namespace vk8s::addons
