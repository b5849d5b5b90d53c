#include "agent/network.h"

#include "agent/overlay.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/process.h"

namespace vk8s::agent {

Status set_up_network(const api::NodeConfig& config, const NodeFacts& facts, const Log& log) {
  {
    sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
    VK8S_TRY(netlink.set_up("lo"));
  }
  // Nodes speak with each other beside the tunnel, and before it can be probed: a
  // worker would not get the API server's certificate.
  if (const Status set = sys::write_kernel_file("/proc/sys/net/ipv4/tcp_mtu_probing", "1"); !set) {
    log.warning("TCP cannot probe the path: nodes do not join where large packets are lost",
                {{"error", set.error().message()}});
  }
  VK8S_TRY(create_overlay_link(config, facts));
  sys::SpawnOptions nft{.argv = {"nft", "-f", "-"}, .environment = sys::scrubbed_environment()};
  VK8S_TRY(sys::check_command(std::move(nft),
                              {.standard_input = masquerade_rules(config) + overlay_rules({})}));
  return {};
}

}  // namespace vk8s::agent
