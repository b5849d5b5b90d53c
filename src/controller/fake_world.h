// Caches for tests.
#pragma once

#include <map>
#include <string>

#include "controller/world.h"

namespace vk8s::controller {

class FakeWorld final : public World {
 public:
  void put(const kube::Resource& resource, Json object) {
    kube::ObjectKey key{text(object, "metadata.namespace"), text(object, "metadata.name")};
    objects_[resource.plural][std::move(key)] = std::make_shared<const Json>(std::move(object));
  }
  void erase(const kube::Resource& resource, const kube::ObjectKey& key) {
    objects_[resource.plural].erase(key);
  }

  Object get(const kube::Resource& resource, const kube::ObjectKey& key) const override {
    const auto kind = objects_.find(resource.plural);
    if (kind == objects_.end()) {
      return nullptr;
    }
    const auto at = kind->second.find(key);
    return at == kind->second.end() ? nullptr : at->second;
  }

  std::vector<Object> list(const kube::Resource& resource,
                           std::string_view namespace_name) const override {
    std::vector<Object> out;
    const auto kind = objects_.find(resource.plural);
    if (kind != objects_.end()) {
      for (const auto& [key, object] : kind->second) {
        if (namespace_name.empty() || key.namespace_name == namespace_name) {
          out.push_back(object);
        }
      }
    }
    return out;
  }

 private:
  static std::string text(const Json& object, std::string_view path) {
    return std::string(base::get_string(object, path).value_or(""));
  }
  std::map<std::string, std::map<kube::ObjectKey, Object>> objects_;
};

}  // namespace vk8s::controller
