#include "agent/network.h"

#include "agent/overlay.h"
#include "sys/netlink.h"
#include "sys/process.h"

namespace vk8s::agent {

Status set_up_network(const api::NodeConfig& config, const NodeFacts& facts) {
  {
    sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
    VK8S_TRY(netlink.set_up("lo"));
  }
  VK8S_TRY(create_overlay_link(config, facts));
  sys::SpawnOptions nft{.argv = {"nft", "-f", "-"}, .environment = sys::scrubbed_environment()};
  VK8S_TRY(sys::check_command(std::move(nft),
                              {.standard_input = masquerade_rules(config) + overlay_rules({})}));
  return {};
}

}  // namespace vk8s::agent
