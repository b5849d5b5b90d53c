#include "controller/cached_world.h"

#include <utility>

#include "api/ip_allocation.h"
#include "controller/observation.h"

namespace vk8s::controller {
namespace {

namespace resources = kube::resources;

constexpr std::string_view kOwnedSelector = "app=vk8s";

// A Node has many annotations of others; that this one is there is all that matters.
kube::Projection node_projection() {
  return [fields = kube::keep_fields({"spec.podCIDR", "status.addresses", "status.allocatable",
                                      "status.conditions"})](const Json& node) {
    Json out = fields(node);
    const JsonObject* annotations = base::get_object(node, "metadata.annotations");
    if (annotations != nullptr && annotations->contains(api::kHeldIpsAnnotation)) {
      out.get_object()["metadata"].get_object()["annotations"] =
          JsonObject{{api::kHeldIpsAnnotation, ""}};
    }
    return out;
  };
}

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

}  // namespace

CachedWorld::CachedWorld(Timers& timers, kube::Client& client, OnChange on_change, Log log)
    : on_change_(std::move(on_change)) {
  const auto of_label = [this](const Json& object) {
    const std::string cluster = text(object, "metadata.labels.clusterName");
    if (!cluster.empty()) {
      on_change_({text(object, "metadata.namespace"), cluster});
    }
  };
  const auto owned = [&](const kube::Resource& resource, std::vector<std::string> fields) {
    kube::InformerOptions options;
    options.resource = resource;
    options.label_selector = kOwnedSelector;
    options.projection = kube::keep_fields(std::move(fields));
    add(timers, client, std::move(options), of_label, log);
  };
  owned(resources::kStatefulSet,
        {"metadata.annotations", "spec", "status.observedGeneration", "status.updateRevision"});
  owned(resources::kService, {"spec"});
  owned(resources::kDeployment, {"spec"});
  owned(resources::kNetworkPolicy, {"spec"});
  owned(resources::kPod,
        {"metadata.annotations", "spec.nodeName", "status.podIP", "status.podIPs", "status.phase",
         "status.reason", "status.message", "status.conditions", "status.containerStatuses"});

  kube::InformerOptions vk8s;
  vk8s.resource = resources::kVk8s;
  vk8s.projection =
      kube::keep_fields({"metadata.annotations", "metadata.creationTimestamp", "spec", "status"});
  add(
      timers, client, std::move(vk8s), [this](const Json& object) { tell_rivals(object); }, log);

  kube::InformerOptions nodes;
  nodes.resource = resources::kNode;
  nodes.projection = node_projection();
  add(
      timers, client, std::move(nodes), [this](const Json&) { tell_all(); }, log);
}

void CachedWorld::add(Timers& timers, kube::Client& client, kube::InformerOptions options,
                      std::function<void(const Json&)> on_change, const Log& log) {
  const std::string plural = options.resource.plural;
  auto informer = std::make_unique<kube::Informer>(timers, client, std::move(options), log);
  kube::InformerHandlers handlers;
  handlers.on_added = [on_change](const kube::ObjectPtr& object) { on_change(*object); };
  handlers.on_updated = [on_change](const kube::ObjectPtr&, const kube::ObjectPtr& object) {
    on_change(*object);
  };
  handlers.on_deleted = [on_change](const kube::ObjectPtr& last) { on_change(*last); };
  informer->add_handlers(std::move(handlers));
  informers_[plural] = std::move(informer);
}

// The host's nodes say much all the time; little of it matters here.
void CachedWorld::tell_all() {
  std::string facts = host_facts(*this);
  if (facts == host_facts_) {
    return;
  }
  host_facts_ = std::move(facts);
  for (const Object& vk8s : list(resources::kVk8s, "")) {
    on_change_({text(*vk8s, "metadata.namespace"), text(*vk8s, "metadata.name")});
  }
}

// A cluster that comes, changes or goes may end another's node name conflict.
void CachedWorld::tell_rivals(const Json& vk8s) {
  const std::string in = text(vk8s, "metadata.namespace");
  on_change_({in, text(vk8s, "metadata.name")});
  for (const Object& other : list(resources::kVk8s, in)) {
    const auto status = base::get_string(*other, "status.phase");
    if (status == api::phase::kFail) {
      on_change_({in, text(*other, "metadata.name")});
    }
  }
}

void CachedWorld::start() {
  for (const auto& [plural, informer] : informers_) {
    informer->start();
  }
}

void CachedWorld::stop() {
  for (const auto& [plural, informer] : informers_) {
    informer->stop();
  }
}

void CachedWorld::when_synced(std::function<void()> callback) {
  const auto missing = std::make_shared<std::size_t>(informers_.size());
  for (const auto& [plural, informer] : informers_) {
    informer->when_synced([missing, callback] {
      if (--*missing == 0) {
        callback();
      }
    });
  }
}

bool CachedWorld::has_synced() const {
  for (const auto& [plural, informer] : informers_) {
    if (!informer->has_synced()) {
      return false;
    }
  }
  return true;
}

World::Object CachedWorld::get(const kube::Resource& resource, const kube::ObjectKey& key) const {
  const auto informer = informers_.find(resource.plural);
  return informer == informers_.end() ? nullptr : informer->second->store().get(key);
}

std::vector<World::Object> CachedWorld::list(const kube::Resource& resource,
                                             std::string_view namespace_name) const {
  const auto informer = informers_.find(resource.plural);
  if (informer == informers_.end()) {
    return {};
  }
  const kube::Store& store = informer->second->store();
  return namespace_name.empty() ? store.list() : store.list(namespace_name);
}

}  // namespace vk8s::controller
