#include "agent/static_addresses.h"

namespace vk8s::agent {

Result<std::unique_ptr<StaticAddresses>> StaticAddresses::start(
    EventLoop& loop, kube::Client& client, kube::Client& node_client, const NodePaths& paths,
    const api::NodeConfig& config, const Log& log) {
  std::unique_ptr<StaticAddresses> addresses(new StaticAddresses(loop, client, log));
  addresses->server_ = VK8S_TRY(
      ipnode::AddressServer::start(loop, client, paths.ipam_socket(), log.child("addresses")));
  addresses->held_ = VK8S_TRY(ipnode::HeldAddresses::start(loop, node_client, config.node_name,
                                                           paths.static_ips(), log.child("held")));
  return addresses;
}

void StaticAddresses::follow_pods(std::function<void()> changed) {
  pods_.on_change(std::move(changed));
  pods_.start();
}

}  // namespace vk8s::agent
