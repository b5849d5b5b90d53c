// What install.sh puts on a host cluster, by name (controller/manifests.h).
#pragma once

#include "kube/client.h"

namespace vk8s::cli {

inline kube::ObjectKey controller_deployment() {
  return {"vk8s-system", "vk8s-controller-manager"};
}

}  // namespace vk8s::cli
