// What a pod names of its own namespace and cannot start without. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace vk8s::addons {

struct PodReference {
  std::string kind;  // ServiceAccount, ConfigMap, Secret or PersistentVolumeClaim
  std::string name;
  auto operator<=>(const PodReference&) const = default;
};

// Of a PodSpec, each once; what is marked optional is left out.
std::vector<PodReference> pod_references(const Json& pod_spec);

}  // namespace vk8s::addons
