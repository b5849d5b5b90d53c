// Routes to pods on other nodes that have an address of their own, where nodes reach
// each other without a router between (as flannel's host-gw): via the other node's
// address. For hosts whose network plugin knows nothing of these addresses.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "ipnode/static_pods.h"
#include "kube/store.h"
#include "sys/netlink.h"

namespace vk8s::ipnode {

// A pod on this very node has a route of its plugin's with metric 0: it wins.
inline constexpr std::uint32_t kStaticRouteMetric = 1024;
// Whose routes these are (rtnetlink(7), rtm_protocol): above the kernel's own numbers,
// and none that iproute2's etc/iproute2/rt_protos lists.
inline constexpr std::uint8_t kHostRouteProtocol = 118;

struct HostRoute {
  IpAddress destination;
  IpAddress gateway;
  auto operator<=>(const HostRoute&) const = default;
};

// Via the InternalIP of the address's family of the pod's node; none for this node's
// own pods, and none for an address that is a node's or lies in a node's podCIDRs,
// where the host's plugin routes. Pure.
std::vector<HostRoute> host_routes(const std::string& own_node,
                                   const std::vector<kube::ObjectPtr>& nodes,
                                   const AddressesByNode& addresses);

// Makes the kernel's routes of that protocol these; returns those that have no link:
// no address of this machine is in one network with the gateway's. In the network
// namespace of `netlink`.
Result<std::vector<HostRoute>> set_host_routes(sys::Netlink& netlink,
                                               const std::vector<HostRoute>& wanted);

}  // namespace vk8s::ipnode
