// The caches themselves: an informer for each kind the controller looks at.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/world.h"
#include "kube/informer.h"

namespace vk8s::controller {

// On the loop's thread, but get(), list() and has_synced(): any. client outlives it.
class CachedWorld final : public World {
 public:
  // Called on the loop's thread: something of this cluster has changed.
  using OnChange = std::function<void(const kube::ObjectKey& cluster)>;

  CachedWorld(Timers& timers, kube::Client& client, OnChange on_change, Log log);

  void start();
  void stop();
  // Called once, when every cache is filled.
  void when_synced(std::function<void()> callback);
  bool has_synced() const;

  Object get(const kube::Resource& resource, const kube::ObjectKey& key) const override;
  std::vector<Object> list(const kube::Resource& resource,
                           std::string_view namespace_name) const override;

 private:
  void add(Timers& timers, kube::Client& client, kube::InformerOptions options,
           std::function<void(const Json&)> on_change, const Log& log);
  void tell_all();
  void tell_rivals(const Json& vk8s);

  OnChange on_change_;
  std::map<std::string, std::unique_ptr<kube::Informer>> informers_;  // by plural
  std::string host_facts_;
};

}  // namespace vk8s::controller
