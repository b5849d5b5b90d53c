#include "addons/plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "addons/directed_graph.h"
#include "addons/labels.h"
#include "addons/pod_references.h"
#include "addons/webhook_scope.h"

namespace vk8s::addons {
namespace {

constexpr const char* kNamespaceNameLabel = "kubernetes.io/metadata.name";

const JsonArray& webhooks_of(const Manifest& configuration, const JsonArray& none) {
  const JsonArray* webhooks = base::get_array(configuration.object, "webhooks");
  return webhooks == nullptr ? none : *webhooks;
}

kube::ObjectKey service_of(const Json* reference) {
  if (reference == nullptr) {
    return {};
  }
  return {.namespace_name = text_at(*reference, "namespace"), .name = text_at(*reference, "name")};
}

// Whether a string anywhere in value is one of the words.
bool mentions(const Json& value, const std::set<std::string>& words) {
  if (const auto* text = value.if_string()) {
    return words.contains(std::string(*text));
  }
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(),
                       [&](const Json& item) { return mentions(item, words); });
  }
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(),
                       [&](const auto& member) { return mentions(member.value(), words); });
  }
  return false;
}

class Planner {
 public:
  explicit Planner(std::shared_ptr<const ManifestSet> set)
      : plan_(std::make_shared<Plan>()), graph_(set->manifests().size()) {
    plan_->set = std::move(set);
    plan_->digest = digest_of(*plan_->set);
    plan_->needs.resize(manifests().size());
    for (std::size_t i = 0; i < manifests().size(); ++i) {
      note(i);
    }
  }

  std::shared_ptr<const Plan> make() {
    for (std::size_t i = 0; i < manifests().size(); ++i) {
      add_place(i);
      add_pod_references(i);
      add_role(i);
      add_backends(i);
      add_guards(i);
    }
    add_promises();
    settle_soft_needs();
    list_services();
    put_in_order();
    return plan_;
  }

 private:
  struct SoftNeed {
    std::size_t item;
    Need need;
    std::vector<std::size_t> targets;  // what the need depends on
  };

  const std::vector<Manifest>& manifests() const { return plan_->set->manifests(); }
  const Manifest& manifest(std::size_t item) const { return manifests()[item]; }

  void note(std::size_t item) {
    const Manifest& one = manifest(item);
    ids_[one.id] = item;
    if (is_definition(one.id.group, one.id.kind)) {
      definitions_[{text_at(one.object, "spec.group"), text_at(one.object, "spec.names.kind")}] =
          item;
    } else if (is_webhook_configuration(one.id.group, one.id.kind)) {
      configurations_.push_back(item);
    } else if (is_api_service(one.id.group, one.id.kind)) {
      api_services_[text_at(one.object, "spec.group")] = item;
    } else if (is_workload(one.id.group, one.id.kind)) {
      workloads_.push_back(item);
    }
  }

  const std::size_t* find(const ObjectId& id) const {
    const auto found = ids_.find(id);
    return found == ids_.end() ? nullptr : &found->second;
  }

  void need(std::size_t item, Need::Kind kind, std::size_t other) {
    if (item != other) {
      plan_->needs[item].push_back({.kind = kind, .item = other, .service = {}});
      graph_.add_edge(item, other);
    }
  }

  // What would be nice to wait for: decided when the whole graph is known.
  void want(std::size_t item, Need need, std::vector<std::size_t> targets) {
    for (const std::size_t target : targets) {
      graph_.add_edge(item, target);
    }
    soft_.push_back({.item = item, .need = std::move(need), .targets = std::move(targets)});
  }

  void add_place(std::size_t item) {
    const ObjectId& id = manifest(item).id;
    if (const auto* place = find({"", "Namespace", "", id.namespace_name});
        place != nullptr && !id.namespace_name.empty()) {
      need(item, Need::Kind::kReady, *place);
    }
    if (const auto found = definitions_.find({id.group, id.kind}); found != definitions_.end()) {
      need(item, Need::Kind::kReady, found->second);
      want_conversion(item, manifest(found->second));
    } else if (const auto served = api_services_.find(id.group);
               served != api_services_.end() && !find_builtin_kind(id.group, id.kind)) {
      want(item, {.kind = Need::Kind::kReady, .item = served->second, .service = {}},
           {served->second});
    }
  }

  void want_conversion(std::size_t item, const Manifest& definition) {
    const kube::ObjectKey service =
        service_of(base::find(definition.object, "spec.conversion.webhook.clientConfig.service"));
    if (!service.name.empty()) {
      const auto servers = workloads_behind(service);
      want(item, {.kind = Need::Kind::kEndpoints, .item = 0, .service = service}, servers);
      for (const std::size_t server : servers) {
        want(item, {.kind = Need::Kind::kReady, .item = server, .service = {}}, {server});
      }
    }
  }

  void add_pod_references(std::size_t item) {
    const Manifest& one = manifest(item);
    const Json* template_object =
        is_workload(one.id.group, one.id.kind) ? find_pod_template(one.object) : nullptr;
    const Json* spec = template_object == nullptr ? nullptr : base::find(*template_object, "spec");
    if (spec == nullptr) {
      return;
    }
    for (const PodReference& reference : pod_references(*spec)) {
      const auto* other = find({"", reference.kind, one.id.namespace_name, reference.name});
      if (other != nullptr) {
        need(item, Need::Kind::kApplied, *other);
      } else if (reference.kind == "Secret" || reference.kind == "ConfigMap") {
        promised_[item].insert(reference.name);
      }
    }
  }

  // API servers look at a role before they bind to it.
  void add_role(std::size_t item) {
    const ObjectId& id = manifest(item).id;
    if (id.kind != "RoleBinding" && id.kind != "ClusterRoleBinding") {
      return;
    }
    const std::string kind = text_at(manifest(item).object, "roleRef.kind");
    const auto* role = find({id.group, kind, kind == "Role" ? id.namespace_name : "",
                             text_at(manifest(item).object, "roleRef.name")});
    if (role != nullptr) {
      need(item, Need::Kind::kApplied, *role);
    }
  }

  std::vector<std::size_t> workloads_behind(const kube::ObjectKey& service) const {
    std::vector<std::size_t> found;
    const auto* item = find({"", "Service", service.namespace_name, service.name});
    if (item == nullptr) {
      return found;
    }
    const Labels wanted = string_members(base::find(manifest(*item).object, "spec.selector"));
    for (const std::size_t workload : workloads_) {
      const Manifest& one = manifest(workload);
      const Json* template_object = find_pod_template(one.object);
      if (one.id.namespace_name == service.namespace_name && template_object != nullptr &&
          service_selects(wanted, labels_of(*template_object))) {
        found.push_back(workload);
      }
    }
    return found;
  }

  void need_backend(std::size_t item, const kube::ObjectKey& service) {
    const Need endpoints{.kind = Need::Kind::kEndpoints, .item = 0, .service = service};
    auto& needs = plan_->needs[item];
    if (service.name.empty() || std::find(needs.begin(), needs.end(), endpoints) != needs.end()) {
      return;
    }
    needs.push_back(endpoints);
    if (const auto* there = find({"", "Service", service.namespace_name, service.name})) {
      need(item, Need::Kind::kApplied, *there);
    }
    // Endpoints of an earlier version's pods would do otherwise.
    for (const std::size_t server : workloads_behind(service)) {
      need(item, Need::Kind::kReady, server);
    }
  }

  void add_backends(std::size_t item) {
    const Manifest& one = manifest(item);
    const JsonArray none;
    if (is_api_service(one.id.group, one.id.kind)) {
      need_backend(item, service_of(base::find(one.object, "spec.service")));
    } else if (is_webhook_configuration(one.id.group, one.id.kind)) {
      for (const Json& webhook : webhooks_of(one, none)) {
        need_backend(item, service_of(base::find(webhook, "clientConfig.service")));
      }
    }
  }

  std::optional<Labels> namespace_labels(const ObjectId& id) const {
    const bool is_one = is_namespace(id.group, id.kind);
    const std::string& name = is_one ? id.name : id.namespace_name;
    if (name.empty()) {
      return std::nullopt;
    }
    const auto* item = find({"", "Namespace", "", name});
    Labels labels = item == nullptr ? Labels() : labels_of(manifest(*item).object);
    labels[kNamespaceNameLabel] = name;
    return labels;
  }

  void add_guards(std::size_t item) {
    const Manifest& one = manifest(item);
    // API servers call no webhook for those.
    if (is_webhook_configuration(one.id.group, one.id.kind)) {
      return;
    }
    const auto in_namespace = namespace_labels(one.id);
    std::vector<AdmissionSubject> subjects;
    if (!one.plural.empty()) {
      subjects.push_back({one.id.group, one.plural, labels_of(one.object), in_namespace});
    }
    const Json* pods =
        is_workload(one.id.group, one.id.kind) ? find_pod_template(one.object) : nullptr;
    if (pods != nullptr) {
      subjects.push_back({"", "pods", labels_of(*pods), in_namespace});
    }
    for (const std::size_t configuration : configurations_) {
      if (is_guarded(subjects, manifest(configuration))) {
        want(item, {.kind = Need::Kind::kReady, .item = configuration, .service = {}},
             {configuration});
      }
    }
  }

  static bool is_guarded(const std::vector<AdmissionSubject>& subjects,
                         const Manifest& configuration) {
    const JsonArray none;
    const JsonArray& webhooks = webhooks_of(configuration, none);
    return std::any_of(webhooks.begin(), webhooks.end(), [&](const Json& webhook) {
      return is_worth_waiting_for(configuration.id.kind, webhook) &&
             std::any_of(subjects.begin(), subjects.end(), [&](const AdmissionSubject& subject) {
               return is_called_for(webhook, subject);
             });
    });
  }

  // A pod starts only when somebody has made what it mounts; a custom resource that
  // has the name of it is taken for who promises that.
  void add_promises() {
    for (const auto& [workload, names] : promised_) {
      for (std::size_t i = 0; i < manifests().size(); ++i) {
        const Manifest& one = manifest(i);
        const Json* spec = base::find(one.object, "spec");
        if (one.stage == Stage::kCustomResources && spec != nullptr &&
            one.id.namespace_name == manifest(workload).id.namespace_name &&
            mentions(*spec, names)) {
          graph_.add_edge(workload, i);
        }
      }
    }
  }

  void settle_soft_needs() {
    const std::vector<std::size_t> component = graph_.strong_components();
    for (SoftNeed& soft : soft_) {
      const bool closes_circle = std::any_of(
          soft.targets.begin(), soft.targets.end(),
          [&](std::size_t target) { return component[target] == component[soft.item]; });
      if (closes_circle) {
        plan_->dropped.push_back({.item = soft.item, .need = std::move(soft.need)});
      } else {
        plan_->needs[soft.item].push_back(std::move(soft.need));
      }
    }
  }

  void list_services() {
    std::set<kube::ObjectKey> services;
    for (const auto& needs : plan_->needs) {
      for (const Need& one : needs) {
        if (one.kind == Need::Kind::kEndpoints) {
          services.insert(one.service);
        }
      }
    }
    plan_->services.assign(services.begin(), services.end());
  }

  void put_in_order() {
    plan_->order.resize(manifests().size());
    std::iota(plan_->order.begin(), plan_->order.end(), std::size_t{0});
    std::stable_sort(
        plan_->order.begin(), plan_->order.end(),
        [this](std::size_t a, std::size_t b) { return manifest(a).stage < manifest(b).stage; });
  }

  std::shared_ptr<Plan> plan_;
  DirectedGraph graph_;
  std::map<ObjectId, std::size_t> ids_;
  std::map<std::pair<std::string, std::string>, std::size_t> definitions_;  // by group and kind
  std::map<std::string, std::size_t> api_services_;                         // by group
  std::vector<std::size_t> configurations_;
  std::vector<std::size_t> workloads_;
  std::map<std::size_t, std::set<std::string>> promised_;  // workload -> names of what it mounts
  std::vector<SoftNeed> soft_;
};

}  // namespace

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const ManifestSet> set) {
  return Planner(std::move(set)).make();
}

}  // namespace vk8s::addons
