#include "host/host_network.h"

#include <algorithm>

#include "base/cidr.h"
#include "sys/netlink.h"
#include "sys/netns.h"

namespace vk8s::host {
namespace {

const std::string kInside = "eth0";

// The same address always has the same MAC, so neighbours' caches stay right
// when a container is made anew.
Result<std::string> mac_of(const std::string& address) {
  const IpAddress ip = VK8S_TRY(IpAddress::parse(address));
  const auto bytes = ip.bytes();
  return sys::to_string(sys::MacAddress{0x0a, 0x58, bytes[0], bytes[1], bytes[2], bytes[3]});
}

Status check_subnet_is_free(sys::Netlink& netlink, const HostPlan& plan) {
  const IpAddress address = VK8S_TRY(IpAddress::parse(plan.bridge_address));
  const Cidr subnet = VK8S_TRY(Cidr::around(address, plan.prefix_length));
  for (const sys::Route& route : VK8S_TRY(netlink.list_routes())) {
    const auto destination = Cidr::parse(route.destination);
    if (destination && destination->prefix_length() > 0 && route.link != plan.bridge &&
        destination->overlaps(subnet)) {
      return fail(Errc::kConflict,
                  "the machine has a route to {} on link {}, which overlaps {}: choose another "
                  "--subnet",
                  route.destination, route.link, subnet.to_string());
    }
  }
  return {};
}

Status create_bridge(sys::Netlink& netlink, const HostPlan& plan) {
  VK8S_TRY(check_subnet_is_free(netlink, plan));
  VK8S_TRY(netlink.create_bridge(plan.bridge));
  const std::string mac = VK8S_TRY(mac_of(plan.bridge_address));
  return netlink.set_mac(plan.bridge, mac);
}

std::string with_prefix(const std::string& address, const HostPlan& plan) {
  return fmt::format("{}/{}", address, plan.prefix_length);
}

// The cable: the machine's end on the bridge, the other end inside as eth0.
Status ensure_cable(sys::Netlink& outside, sys::Netlink& inside, const sys::NetNs& space,
                    const HostPlan& plan, const ContainerPlan& container) {
  if (!inside.get_link(kInside)) {
    VK8S_TRY(outside.delete_link(container.link));  // of a namespace that has gone
    VK8S_TRY(outside.create_veth(
        {.name = container.link, .peer_name = kInside, .peer_namespace = &space}));
    const std::string mac = VK8S_TRY(mac_of(container.address));
    VK8S_TRY(inside.set_mac(kInside, mac));
  }
  VK8S_TRY(outside.set_master(container.link, plan.bridge));
  VK8S_TRY(outside.set_up(container.link));
  VK8S_TRY(inside.add_address(kInside, with_prefix(container.address, plan)));
  VK8S_TRY(inside.set_up(kInside));
  return inside.replace_route(
      {.destination = "0.0.0.0/0", .gateway = plan.bridge_address, .link = kInside});
}

}  // namespace

Status ensure_bridge(const HostPlan& plan) {
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  const auto link = netlink.get_link(plan.bridge);
  if (!link && link.error().code() == Errc::kNotFound) {
    VK8S_TRY_CONTEXT(create_bridge(netlink, plan), "bridge {}", plan.bridge);
  } else if (!link) {
    return tl::unexpected(link.error());
  } else {
    const auto addresses = VK8S_TRY(netlink.list_addresses(plan.bridge));
    const bool is_free = addresses.empty();
    const bool is_ours = std::find(addresses.begin(), addresses.end(),
                                   with_prefix(plan.bridge_address, plan)) != addresses.end();
    if (link->kind != "bridge" || !(is_free || is_ours)) {
      return fail(Errc::kConflict, "link {} exists and is not this host's: choose another --name",
                  plan.bridge);
    }
  }
  const sys::NetNs machine = VK8S_TRY(sys::NetNs::current());
  // Also when the machine is a router: nothing of the host's leaves it.
  VK8S_TRY(machine.write_sysctl(fmt::format("net.ipv4.conf.{}.forwarding", plan.bridge), "0"));
  // No IPv6 on the machine is fine too.
  [[maybe_unused]] const Status no_ipv6 =
      machine.write_sysctl(fmt::format("net.ipv6.conf.{}.disable_ipv6", plan.bridge), "1");
  VK8S_TRY(netlink.add_address(plan.bridge, with_prefix(plan.bridge_address, plan)));
  return netlink.set_up(plan.bridge);
}

Status ensure_container_network(const HostPlan& plan, const ContainerPlan& container) {
  const sys::NetNs space = VK8S_TRY(sys::NetNs::ensure(container.netns));
  sys::Netlink outside = VK8S_TRY(sys::Netlink::open());
  sys::Netlink inside = VK8S_TRY(sys::Netlink::open_in(space));
  VK8S_TRY(space.write_sysctl("net.ipv4.ip_forward", "1"));
  VK8S_TRY_CONTEXT(ensure_cable(outside, inside, space, plan, container), "network of {}",
                   container.name);
  return {};
}

Status remove_container_network(const ContainerPlan& container) {
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  // First the link: the namespace ends later, when the kernel gets to it.
  VK8S_TRY(netlink.delete_link(container.link));
  return sys::NetNs::remove(container.netns);
}

Status remove_bridge(const HostPlan& plan) {
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  const auto link = netlink.get_link(plan.bridge);
  if (link && link->kind != "bridge") {
    return fail(Errc::kConflict, "link {} is no bridge: it is left alone", plan.bridge);
  }
  return netlink.delete_link(plan.bridge);
}

}  // namespace vk8s::host
