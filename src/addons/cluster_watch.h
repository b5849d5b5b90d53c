// What of a set's objects can be seen to become ready: watches of their kinds and of the
// endpoints that somebody needs. On the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addons/plan.h"
#include "base/log.h"
#include "kube/informer.h"

namespace vk8s::addons {

class ClusterWatch {
 public:
  struct Handlers {
    std::function<void()> on_change;  // after each change, often
    // And before that, of an object that is gone: which one, and its uid.
    std::function<void(const ObjectId&, const std::string& uid)> on_gone;
  };
  // Both are set, and may stop the watch. client and timers outlive it. Only what
  // carries the set's label is seen, and little of it.
  ClusterWatch(Timers& timers, kube::Client& client, const Plan& plan, std::string_view set_name,
               Log log, Handlers handlers);

  void start();
  void stop();

  bool has_synced() const;
  // nullptr for what is not there (yet), or not of a kind that is watched.
  kube::ObjectPtr find(const ObjectId& id) const;
  bool has_ready_endpoint(const kube::ObjectKey& service) const;

 private:
  void watch_kind(const kube::Resource& resource, std::string_view set_name);
  void watch_services(const std::vector<kube::ObjectKey>& services);
  std::unique_ptr<kube::Informer> make_informer(kube::InformerOptions options);
  void tell_gone(const kube::Resource& resource, const Json& object);

  Timers& timers_;
  kube::Client& client_;
  Log log_;
  const Handlers handlers_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<kube::Informer>>
      kinds_;  // by group and kind
  std::unique_ptr<kube::Informer> endpoints_;
};

}  // namespace vk8s::addons
