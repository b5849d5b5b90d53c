// The program vk8s-ip-node: what the agent does for static addresses on a node of the
// embedded host, for the nodes of any other host. It runs in a DaemonSet.
#pragma once

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "ipnode/address_server.h"
#include "ipnode/held_addresses.h"
#include "ipnode/static_pods.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace vk8s::ipnode {

enum class Routes { kNone, kHostGateway };

struct IpNodeOptions {
  std::string node;        // this one's name
  std::string kubeconfig;  // "" = the ServiceAccount of the pod it runs in
  std::string socket = "/run/vk8s/ipam.sock";
  std::string store = "/run/vk8s/static-ips";
  std::string plugin;                          // its program; "" = none is installed
  std::string plugin_folder = "/opt/cni/bin";  // where the runtime looks for plugins
  Routes routes = Routes::kNone;
};

// One thread: the loop's. What is passed in outlives it.
class IpNode {
 public:
  static Result<std::unique_ptr<IpNode>> start(EventLoop& loop, kube::Client& client,
                                               const IpNodeOptions& options, const Log& log);
  IpNode(const IpNode&) = delete;
  IpNode& operator=(const IpNode&) = delete;

 private:
  IpNode(EventLoop& loop, std::string node, Log log);
  void follow_routes(kube::Client& client);
  void set_routes();

  EventLoop& loop_;
  std::string node_;
  Log log_;
  std::unique_ptr<AddressServer> server_;
  std::unique_ptr<HeldAddresses> held_;
  std::unique_ptr<StaticPods> pods_;  // only where there are routes to set
  std::unique_ptr<kube::Informer> nodes_;
  Registration later_;
};

// Until SIGTERM or SIGINT. The process's exit status.
int run(const IpNodeOptions& options, const Log& log);

}  // namespace vk8s::ipnode
