// Where the pods are that have an address of their own: what routes follow.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/informer.h"

namespace vk8s::ipnode {

// By the name of the node, in order.
using AddressesByNode = std::map<std::string, std::vector<IpAddress>>;

// A pod counts once its kubelet says that it has the address its annotation names: the
// annotation alone is anybody's word, who could draw another pod's packets to himself.
// Not one that has ended, nor one in its node's own network. Of several with one
// address a pod that is not being deleted comes first, then the newest. Pure.
AddressesByNode static_addresses(const std::vector<kube::ObjectPtr>& pods);

// Follows them, of all namespaces. One thread: the loop's. What is passed in outlives it.
class StaticPods {
 public:
  // client may list and watch Pods.
  StaticPods(Timers& timers, kube::Client& client, Log log);

  // Told after each change of a pod; before start().
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
  void start() { pods_.start(); }
  AddressesByNode by_node() const { return static_addresses(pods_.store().list()); }
  // Before that, what by_node() says is not all.
  void when_synced(std::function<void()> callback) { pods_.when_synced(std::move(callback)); }
  bool has_synced() const { return pods_.has_synced(); }

 private:
  void tell() const;

  std::function<void()> changed_;
  kube::Informer pods_;
};

}  // namespace vk8s::ipnode
