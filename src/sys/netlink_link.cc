#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <cstring>
#include <optional>

#include "sys/netlink.h"
#include "sys/netlink_message.h"

namespace vk8s::sys {
namespace {

constexpr int kCreate = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

LinkStatistics parse_statistics(const NetlinkAttributes& attributes) {
  rtnl_link_stats64 raw{};
  const auto bytes = attributes.bytes(IFLA_STATS64);
  std::memcpy(&raw, bytes.data(), std::min(bytes.size(), sizeof raw));
  return {.rx_bytes = raw.rx_bytes,
          .rx_packets = raw.rx_packets,
          .rx_errors = raw.rx_errors,
          .rx_dropped = raw.rx_dropped,
          .tx_bytes = raw.tx_bytes,
          .tx_packets = raw.tx_packets,
          .tx_errors = raw.tx_errors,
          .tx_dropped = raw.tx_dropped};
}

std::optional<Link> parse_link(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWLINK) {
    return std::nullopt;
  }
  ifinfomsg info{};
  std::memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
  const NetlinkAttributes attributes(message, sizeof info);
  const NetlinkAttributes kind(attributes.find(IFLA_LINKINFO));
  return Link{.index = info.ifi_index,
              .name = attributes.text(IFLA_IFNAME),
              .kind = kind.text(IFLA_INFO_KIND),
              .is_up = (info.ifi_flags & IFF_UP) != 0,
              .has_carrier = (info.ifi_flags & IFF_RUNNING) != 0,
              .mtu = attributes.u32(IFLA_MTU),
              .master_index = static_cast<int>(attributes.u32(IFLA_MASTER)),
              .mac = attributes.mac(IFLA_ADDRESS),
              .statistics = parse_statistics(attributes)};
}

}  // namespace

Result<std::vector<Link>> Netlink::list_links() {
  NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP);
  message.extra<ifinfomsg>();
  return socket_->dump<Link>(message, "list links", parse_link);
}

Result<Link> Netlink::get_link(const std::string& name) {
  VK8S_TRY(check_link_name(name));
  NetlinkMessage message(RTM_GETLINK, 0);
  message.extra<ifinfomsg>();
  message.put(IFLA_IFNAME, name);
  std::optional<Link> link;
  const std::string what = fmt::format("look up link {}", name);
  VK8S_TRY(
      socket_->transact(message, what, [&](const nlmsghdr* answer) { link = parse_link(answer); }));
  if (!link) {
    return fail(Errc::kInternal, "{}: the kernel's answer is no link", what);
  }
  return *std::move(link);
}

Result<int> Netlink::index_of(const std::string& link) { return VK8S_TRY(get_link(link)).index; }

Status Netlink::create_veth(const VethSpec& spec) {
  VK8S_TRY(check_link_name(spec.name));
  VK8S_TRY(check_link_name(spec.peer_name));
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.extra<ifinfomsg>();
  message.put(IFLA_IFNAME, spec.name);
  if (spec.mtu != 0) {
    message.put_u32(IFLA_MTU, spec.mtu);
  }
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, "veth");
    message.nest(IFLA_INFO_DATA, [&] {
      const ifinfomsg peer{};
      message.nest_with_header(VETH_INFO_PEER, std::as_bytes(std::span(&peer, 1)), [&] {
        message.put(IFLA_IFNAME, spec.peer_name);
        if (spec.mtu != 0) {
          message.put_u32(IFLA_MTU, spec.mtu);
        }
        if (spec.peer_namespace != nullptr) {
          message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.peer_namespace->fd()));
        }
      });
    });
  });
  return socket_->transact(message, fmt::format("create veth {} - {}", spec.name, spec.peer_name));
}

Status Netlink::create_bridge(const std::string& name, std::uint32_t mtu) {
  VK8S_TRY(check_link_name(name));
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.extra<ifinfomsg>();
  message.put(IFLA_IFNAME, name);
  if (mtu != 0) {
    message.put_u32(IFLA_MTU, mtu);
  }
  message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, "bridge"); });
  return socket_->transact(message, fmt::format("create bridge {}", name));
}

Status Netlink::create_vxlan(const VxlanSpec& spec) {
  VK8S_TRY(check_link_name(spec.name));
  std::optional<IpAddress> local;
  std::optional<MacAddress> mac;
  int underlay = 0;
  if (!spec.local_address.empty()) {
    local = VK8S_TRY(IpAddress::parse(spec.local_address));
  }
  if (!spec.mac.empty()) {
    mac = VK8S_TRY(parse_mac_address(spec.mac));
  }
  if (!spec.underlay.empty()) {
    underlay = VK8S_TRY(index_of(spec.underlay));
  }
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.extra<ifinfomsg>();
  message.put(IFLA_IFNAME, spec.name);
  if (spec.mtu != 0) {
    message.put_u32(IFLA_MTU, spec.mtu);
  }
  if (mac) {
    message.put(IFLA_ADDRESS, *mac);
  }
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, "vxlan");
    message.nest(IFLA_INFO_DATA, [&] {
      message.put_u32(IFLA_VXLAN_ID, spec.vni);
      message.put_u16_network(IFLA_VXLAN_PORT, spec.udp_port);
      message.put_u8(IFLA_VXLAN_LEARNING, 0);
      if (underlay != 0) {
        message.put_u32(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(underlay));
      }
      if (local) {
        message.put(local->is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, *local);
      }
    });
  });
  return socket_->transact(
      message, fmt::format("create vxlan {} (id {}, port {})", spec.name, spec.vni, spec.udp_port));
}

Status Netlink::delete_link(const std::string& name) {
  VK8S_TRY(check_link_name(name));
  NetlinkMessage message(RTM_DELLINK, NLM_F_ACK);
  message.extra<ifinfomsg>();
  message.put(IFLA_IFNAME, name);
  const Status deleted = socket_->transact(message, fmt::format("delete link {}", name));
  return !deleted && deleted.error().code() == Errc::kNotFound ? Status{} : deleted;
}

Status Netlink::change_flags(const std::string& name, unsigned flags, unsigned mask) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  auto& info = message.extra<ifinfomsg>();
  info.ifi_index = VK8S_TRY(index_of(name));
  info.ifi_flags = flags;
  info.ifi_change = mask;
  return socket_->transact(message,
                           fmt::format("set link {} {}", name, flags != 0 ? "up" : "down"));
}

Status Netlink::set_up(const std::string& name) { return change_flags(name, IFF_UP, IFF_UP); }
Status Netlink::set_down(const std::string& name) { return change_flags(name, 0, IFF_UP); }

Status Netlink::set_attribute(const std::string& name, int type, std::uint32_t value,
                              const std::string& what) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  message.extra<ifinfomsg>().ifi_index = VK8S_TRY(index_of(name));
  message.put_u32(type, value);
  return socket_->transact(message, what);
}

Status Netlink::set_mtu(const std::string& name, std::uint32_t mtu) {
  return set_attribute(name, IFLA_MTU, mtu, fmt::format("set MTU of link {} to {}", name, mtu));
}

Status Netlink::set_master(const std::string& name, const std::string& master) {
  const int index = master.empty() ? 0 : VK8S_TRY(index_of(master));
  return set_attribute(name, IFLA_MASTER, static_cast<std::uint32_t>(index),
                       fmt::format("set master of link {} to \"{}\"", name, master));
}

Status Netlink::move_link(const std::string& name, const NetNs& space) {
  return set_attribute(name, IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.fd()),
                       fmt::format("move link {} to another network namespace", name));
}

Status Netlink::set_mac(const std::string& name, const std::string& mac) {
  const MacAddress address = VK8S_TRY(parse_mac_address(mac));
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  message.extra<ifinfomsg>().ifi_index = VK8S_TRY(index_of(name));
  message.put(IFLA_ADDRESS, address);
  return socket_->transact(message, fmt::format("set MAC address of link {} to {}", name, mac));
}

Status Netlink::rename_link(const std::string& name, const std::string& new_name) {
  VK8S_TRY(check_link_name(new_name));
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  message.extra<ifinfomsg>().ifi_index = VK8S_TRY(index_of(name));
  message.put(IFLA_IFNAME, new_name);
  return socket_->transact(message, fmt::format("rename link {} to {}", name, new_name));
}

}  // namespace vk8s::sys
