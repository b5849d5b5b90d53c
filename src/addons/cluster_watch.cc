#include "addons/cluster_watch.h"

#include <algorithm>
#include <set>

#include "addons/apply_decision.h"
#include "addons/labels.h"
#include "addons/readiness.h"
#include "base/names.h"

namespace vk8s::addons {
namespace {

constexpr const char* kServiceLabel = "kubernetes.io/service-name";
constexpr const char* kServiceIndex = "service";
// More names than this make too long a URL.
constexpr std::size_t kMaxSelectedServices = 64;
// Some of the objects are of a megabyte.
constexpr int kPageSize = 100;

std::string place_of(const kube::ObjectKey& key) { return key.namespace_name + "/" + key.name; }

std::vector<std::string> service_of_slice(const Json& slice) {
  const Labels labels = labels_of(slice);
  const auto found = labels.find(kServiceLabel);
  if (found == labels.end()) {
    return {};
  }
  return {place_of({text_at(slice, "metadata.namespace"), found->second})};
}

std::vector<std::string> kept_fields(std::string_view group, std::string_view kind) {
  if (is_webhook_configuration(group, kind)) {
    return {"webhooks"};
  }
  if (is_definition(group, kind) || is_api_service(group, kind)) {
    return {"status.conditions"};
  }
  return {"spec.replicas", "spec.updateStrategy", "status"};
}

}  // namespace

ClusterWatch::ClusterWatch(Timers& timers, kube::Client& client, const Plan& plan,
                           std::string_view set_name, Log log, Handlers handlers)
    : timers_(timers), client_(client), log_(log.child("watch")), handlers_(std::move(handlers)) {
  for (const Manifest& manifest : plan.manifests()) {
    const ObjectId& id = manifest.id;
    // A Namespace is Active as soon as it is there.
    if (has_readiness(id) && !is_namespace(id.group, id.kind) &&
        !kinds_.contains({id.group, id.kind})) {
      watch_kind({id.group, manifest.version, manifest.plural, id.kind, manifest.namespaced},
                 set_name);
    }
  }
  if (!plan.services.empty()) {
    watch_services(plan.services);
  }
}

std::unique_ptr<kube::Informer> ClusterWatch::make_informer(kube::InformerOptions options) {
  options.page_size = kPageSize;
  const kube::Resource resource = options.resource;
  auto informer = std::make_unique<kube::Informer>(timers_, client_, std::move(options), log_);
  informer->add_handlers(
      {.on_added = [this](const auto&) { handlers_.on_change(); },
       .on_updated = [this](const auto&, const auto&) { handlers_.on_change(); },
       .on_deleted = [this, resource](const auto& last) { tell_gone(resource, *last); }});
  informer->when_synced([this] { handlers_.on_change(); });
  return informer;
}

void ClusterWatch::tell_gone(const kube::Resource& resource, const Json& object) {
  const ObjectId id{resource.group, resource.kind, text_at(object, "metadata.namespace"),
                    text_at(object, "metadata.name")};
  handlers_.on_gone(id, text_at(object, "metadata.uid"));
  handlers_.on_change();
}

void ClusterWatch::watch_kind(const kube::Resource& resource, std::string_view set_name) {
  kinds_[{resource.group, resource.kind}] =
      make_informer({.resource = resource,
                     .label_selector = fmt::format("{}={}", kSetLabel, set_name),
                     .projection = kube::keep_fields(kept_fields(resource.group, resource.kind))});
}

void ClusterWatch::watch_services(const std::vector<kube::ObjectKey>& services) {
  std::set<std::string> names;
  for (const kube::ObjectKey& service : services) {
    // Another name is no Service's, and would be no part of a selector.
    if (base::is_dns_label(service.name)) {
      names.insert(service.name);
    }
  }
  std::string selector = kServiceLabel;
  if (!names.empty() && names.size() <= kMaxSelectedServices) {
    std::string list;
    for (const std::string& name : names) {
      list += (list.empty() ? "" : ",") + name;
    }
    selector += " in (" + list + ")";
  }
  endpoints_ = make_informer({.resource = kube::resources::kEndpointSlice,
                              .label_selector = selector,
                              .projection = kube::keep_fields({"endpoints"}),
                              .indexes = {{kServiceIndex, service_of_slice}}});
}

void ClusterWatch::start() {
  for (const auto& [kind, informer] : kinds_) {
    informer->start();
  }
  if (endpoints_) {
    endpoints_->start();
  }
}

void ClusterWatch::stop() {
  for (const auto& [kind, informer] : kinds_) {
    informer->stop();
  }
  if (endpoints_) {
    endpoints_->stop();
  }
}

bool ClusterWatch::has_synced() const {
  return (!endpoints_ || endpoints_->has_synced()) &&
         std::all_of(kinds_.begin(), kinds_.end(),
                     [](const auto& one) { return one.second->has_synced(); });
}

kube::ObjectPtr ClusterWatch::find(const ObjectId& id) const {
  const auto found = kinds_.find({id.group, id.kind});
  return found == kinds_.end() ? nullptr : found->second->store().get(id.key());
}

bool ClusterWatch::has_ready_endpoint(const kube::ObjectKey& service) const {
  if (!endpoints_) {
    return false;
  }
  const auto slices = endpoints_->store().find(kServiceIndex, place_of(service));
  return std::any_of(slices.begin(), slices.end(), [](const kube::ObjectPtr& slice) {
    return addons::has_ready_endpoint(*slice);
  });
}

}  // namespace vk8s::addons
