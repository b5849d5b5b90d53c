#include "agent/overlay.h"
#include "base/fuzz.h"

namespace {
using namespace vk8s;

const api::NodeConfig kConfig = {
    .node_name = "a-master-1", .pod_network_cidr = "100.72.0.0/16", .pod_cidr = "100.72.0.0/24"};

void check_peer(const agent::OverlayPeer& peer) {
  // They end in netlink messages and in the text of nft rules.
  const auto ip = IpAddress::parse(peer.node_ip);
  fuzz::require(ip && ip->is_v4() && ip->to_string() == peer.node_ip,
                "an address has one spelling, that of an address");
  const auto pods = Cidr::parse(peer.pod_cidr);
  fuzz::require(pods && pods->to_string() == peer.pod_cidr &&
                    Cidr::parse(kConfig.pod_network_cidr)->contains(*pods),
                "pods are within the cluster's network");
  const auto state = agent::overlay_state(kConfig, {peer});
  fuzz::require(state.has_value(), "what is read can be programmed");
  const bool own = agent::is_own(peer, kConfig);
  fuzz::require(state->routes.size() == (own ? 0 : 1), "a route for each other node");
  const std::string rules = agent::overlay_rules({peer});
  fuzz::require(rules.find("elements = { " + ip->to_string() + " }") != std::string::npos,
                "the rules let the node's address in and nothing else");
}

}  // namespace

// The input is a Node.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (const auto node = base::parse_json(fuzz::text_of(data, size))) {
    if (const auto peer = agent::read_peer(*node, kConfig)) {
      check_peer(*peer);
    }
  }
  return 0;
}
