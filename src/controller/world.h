// What the controller knows of the host: a read-only view of its caches.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "kube/client.h"

namespace vk8s::controller {

// Any thread. Objects are shared and never change. Secrets are not in it.
class World {
 public:
  using Object = std::shared_ptr<const Json>;

  virtual ~World() = default;
  // nullptr where there is none.
  virtual Object get(const kube::Resource& resource, const kube::ObjectKey& key) const = 0;
  // namespace_name "": all of them.
  virtual std::vector<Object> list(const kube::Resource& resource,
                                   std::string_view namespace_name) const = 0;
};

// Those of a cluster, by label.
std::vector<World::Object> objects_of_cluster(const World& world, const kube::Resource& resource,
                                              const kube::ObjectKey& cluster);

}  // namespace vk8s::controller
