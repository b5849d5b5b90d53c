#include "agent/network.h"

#include "agent/component_config.h"
#include "sys/netlink.h"
#include "sys/process.h"

namespace vk8s::agent {

Status set_up_network(const api::NodeConfig& config) {
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  VK8S_TRY(netlink.set_up("lo"));
  if (config.role == api::NodeRole::kMaster) {
    const std::string dns_ip = VK8S_TRY(dns_listen_ip(config));
    VK8S_TRY(netlink.add_address("lo", dns_ip + "/32"));
  }
  sys::SpawnOptions nft{.argv = {"nft", "-f", "-"}, .environment = sys::scrubbed_environment()};
  VK8S_TRY(sys::check_command(std::move(nft), {.standard_input = masquerade_rules(config)}));
  return {};
}

}  // namespace vk8s::agent
