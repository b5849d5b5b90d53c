#include "addons/pod_references.h"

#include <functional>
#include <set>

#include "addons/object_id.h"

namespace vk8s::addons {
namespace {

void for_each(const Json& object, std::string_view path,
              const std::function<void(const Json&)>& function) {
  if (const JsonArray* items = base::get_array(object, path)) {
    for (const Json& item : *items) {
      function(item);
    }
  }
}

class References {
 public:
  void add_pod(const Json& spec) {
    add("ServiceAccount", text_at(spec, "serviceAccountName"));
    for_each(spec, "volumes", [this](const Json& volume) { add_volume(volume); });
    for (const char* containers : {"containers", "initContainers"}) {
      for_each(spec, containers, [this](const Json& container) { add_container(container); });
    }
  }

  std::vector<PodReference> take() const { return {found_.begin(), found_.end()}; }

 private:
  void add(std::string_view kind, std::string name) {
    if (!name.empty()) {
      found_.insert({.kind = std::string(kind), .name = std::move(name)});
    }
  }

  // A reference with its own word on whether it is optional.
  void add_source(std::string_view kind, const Json* source, std::string_view name_field) {
    if (source != nullptr && !base::get_bool(*source, "optional").value_or(false)) {
      add(kind, text_at(*source, name_field));
    }
  }

  void add_volume(const Json& volume) {
    add_source("ConfigMap", base::find(volume, "configMap"), "name");
    add_source("Secret", base::find(volume, "secret"), "secretName");
    add_source("PersistentVolumeClaim", base::find(volume, "persistentVolumeClaim"), "claimName");
    for_each(volume, "projected.sources", [this](const Json& source) {
      add_source("ConfigMap", base::find(source, "configMap"), "name");
      add_source("Secret", base::find(source, "secret"), "name");
    });
  }

  void add_container(const Json& container) {
    for_each(container, "envFrom", [this](const Json& source) {
      add_source("ConfigMap", base::find(source, "configMapRef"), "name");
      add_source("Secret", base::find(source, "secretRef"), "name");
    });
    for_each(container, "env", [this](const Json& variable) {
      add_source("ConfigMap", base::find(variable, "valueFrom.configMapKeyRef"), "name");
      add_source("Secret", base::find(variable, "valueFrom.secretKeyRef"), "name");
    });
  }

  std::set<PodReference> found_;
};

}  // namespace

std::vector<PodReference> pod_references(const Json& pod_spec) {
  References references;
  references.add_pod(pod_spec);
  return references.take();
}

}  // namespace vk8s::addons
