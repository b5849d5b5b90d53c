#include "controller/vk8s_ipam_addresses.h"

#include <algorithm>

#include "api/ip_allocation.h"

namespace vk8s::controller {

bool has_vk8s_ipam(const World& world) {
  const auto nodes = world.list(kube::resources::kNode, "");
  return std::any_of(nodes.begin(), nodes.end(), [](const World::Object& node) {
    const JsonObject* annotations = base::get_object(*node, "metadata.annotations");
    return annotations != nullptr && annotations->contains(api::kHeldIpsAnnotation);
  });
}

}  // namespace vk8s::controller
