// What a node of the embedded host does for pods that have an address of their own,
// wherever they run: it serves its CNI plugin and knows where the others are.
#pragma once

#include <functional>
#include <memory>

#include "agent/node_paths.h"
#include "api/node_config.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "ipnode/address_server.h"
#include "ipnode/held_addresses.h"
#include "ipnode/static_pods.h"
#include "kube/client.h"

namespace vk8s::agent {

// One thread: the loop's. What is passed in outlives it.
class StaticAddresses {
 public:
  // Serves the plugin from now on. client may get IPAllocations and watch Pods,
  // node_client may patch this Node.
  static Result<std::unique_ptr<StaticAddresses>> start(EventLoop& loop, kube::Client& client,
                                                        kube::Client& node_client,
                                                        const NodePaths& paths,
                                                        const api::NodeConfig& config,
                                                        const Log& log);

  // When the API server answers. Calls back after each change of where they are.
  void follow_pods(std::function<void()> changed);
  ipnode::AddressesByNode by_node() const { return pods_.by_node(); }

 private:
  StaticAddresses(EventLoop& loop, kube::Client& client, const Log& log)
      : pods_(loop, client, log.child("static")) {}

  ipnode::StaticPods pods_;
  std::unique_ptr<ipnode::AddressServer> server_;
  std::unique_ptr<ipnode::HeldAddresses> held_;
};

}  // namespace vk8s::agent
