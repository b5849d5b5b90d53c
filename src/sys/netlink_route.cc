#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <map>
#include <optional>

#include "sys/netlink.h"
#include "sys/netlink_message.h"

namespace vk8s::sys {
namespace {

Status forgive(Status status, Errc code) {
  return !status && status.error().code() == code ? Status{} : std::move(status);
}

std::uint8_t family_of(const IpAddress& address) {
  return static_cast<std::uint8_t>(address_family(address));
}

struct AddressMessage {
  NetlinkMessage message;
  explicit AddressMessage(int type, int flags, const InterfaceAddress& address, int index)
      : message(type, flags | NLM_F_ACK) {
    auto& info = message.extra<ifaddrmsg>();
    info.ifa_family = family_of(address.address);
    info.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix_length);
    info.ifa_index = static_cast<unsigned>(index);
    message.put(IFA_LOCAL, address.address);
    message.put(IFA_ADDRESS, address.address);
  }
};

std::uint32_t table_of(const Route& route) {
  return route.table == 0 ? std::uint32_t{RT_TABLE_MAIN} : route.table;
}

// The part of a route that identifies it.
Status put_key(NetlinkMessage& message, rtmsg& info, const Route& route) {
  const Cidr destination =
      VK8S_TRY_CONTEXT(Cidr::parse(route.destination), "route to \"{}\"", route.destination);
  info.rtm_family = family_of(destination.network());
  info.rtm_dst_len = static_cast<std::uint8_t>(destination.prefix_length());
  info.rtm_table = table_of(route) < 256 ? static_cast<std::uint8_t>(table_of(route))
                                         : std::uint8_t{RT_TABLE_UNSPEC};
  if (destination.prefix_length() > 0) {
    message.put(RTA_DST, destination.network());
  }
  message.put_u32(RTA_TABLE, table_of(route));
  if (route.metric != 0) {
    message.put_u32(RTA_PRIORITY, route.metric);
  }
  return {};
}

std::string zero_of(int family) { return family == AF_INET6 ? "::" : "0.0.0.0"; }

std::optional<Route> parse_route(const nlmsghdr* message, std::uint32_t table,
                                 const std::map<int, std::string>& link_names) {
  rtmsg info{};
  std::memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
  const NetlinkAttributes attributes(message, sizeof info);
  const std::uint32_t own_table = attributes.u32(RTA_TABLE, info.rtm_table);
  const bool is_ip = info.rtm_family == AF_INET || info.rtm_family == AF_INET6;
  if (message->nlmsg_type != RTM_NEWROUTE || !is_ip || own_table != table ||
      info.rtm_type != RTN_UNICAST || (info.rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  const auto text = [&](int type) {
    const auto address = attributes.address(type);
    return address ? address->to_string() : std::string();
  };
  const auto network = attributes.address(RTA_DST);
  const auto link = link_names.find(static_cast<int>(attributes.u32(RTA_OIF)));
  return Route{
      .destination = fmt::format("{}/{}", network ? network->to_string() : zero_of(info.rtm_family),
                                 static_cast<unsigned>(info.rtm_dst_len)),
      .gateway = text(RTA_GATEWAY),
      .link = link == link_names.end() ? std::string() : link->second,
      .source = text(RTA_PREFSRC),
      .metric = attributes.u32(RTA_PRIORITY),
      .on_link = (info.rtm_flags & RTNH_F_ONLINK) != 0,
      .table = own_table,
      .protocol = info.rtm_protocol,
      .mtu = NetlinkAttributes(attributes.find(RTA_METRICS)).u32(RTAX_MTU)};
}

}  // namespace

Status Netlink::add_address(const std::string& link, const std::string& address) {
  const auto parsed = VK8S_TRY(InterfaceAddress::parse(address));
  AddressMessage request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, parsed, VK8S_TRY(index_of(link)));
  return forgive(
      socket_->transact(request.message, fmt::format("add address {} to link {}", address, link)),
      Errc::kAlreadyExists);
}

Status Netlink::remove_address(const std::string& link, const std::string& address) {
  const auto parsed = VK8S_TRY(InterfaceAddress::parse(address));
  AddressMessage request(RTM_DELADDR, 0, parsed, VK8S_TRY(index_of(link)));
  return forgive(socket_->transact(request.message,
                                   fmt::format("remove address {} from link {}", address, link)),
                 Errc::kNotFound);
}

Result<std::vector<std::string>> Netlink::list_addresses(const std::string& link) {
  const auto index = static_cast<unsigned>(VK8S_TRY(index_of(link)));
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  message.extra<ifaddrmsg>();
  return socket_->dump<std::string>(
      message, fmt::format("list addresses of link {}", link),
      [index](const nlmsghdr* answer) -> std::optional<std::string> {
        ifaddrmsg info{};
        std::memcpy(&info, mnl_nlmsg_get_payload(answer), sizeof info);
        const NetlinkAttributes attributes(answer, sizeof info);
        const auto local = attributes.address(IFA_LOCAL);
        const auto address = local ? local : attributes.address(IFA_ADDRESS);
        if (answer->nlmsg_type != RTM_NEWADDR || info.ifa_index != index || !address) {
          return std::nullopt;
        }
        return InterfaceAddress{.address = *address, .prefix_length = info.ifa_prefixlen}
            .to_string();
      });
}

Status Netlink::replace_route(const Route& route) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
  auto& info = message.extra<rtmsg>();
  VK8S_TRY(put_key(message, info, route));
  info.rtm_type = RTN_UNICAST;
  info.rtm_protocol = route.protocol;
  info.rtm_scope =
      route.gateway.empty() ? std::uint8_t{RT_SCOPE_LINK} : std::uint8_t{RT_SCOPE_UNIVERSE};
  info.rtm_flags = route.on_link ? unsigned{RTNH_F_ONLINK} : 0U;
  if (!route.gateway.empty()) {
    message.put(RTA_GATEWAY, VK8S_TRY(IpAddress::parse(route.gateway)));
  }
  if (!route.source.empty()) {
    message.put(RTA_PREFSRC, VK8S_TRY(IpAddress::parse(route.source)));
  }
  message.put_u32(RTA_OIF, static_cast<std::uint32_t>(VK8S_TRY(index_of(route.link))));
  if (route.mtu != 0) {
    message.nest(RTA_METRICS, [&] { message.put_u32(RTAX_MTU, route.mtu); });
  }
  return socket_->transact(message, fmt::format("route {} via \"{}\" on link {}", route.destination,
                                                route.gateway, route.link));
}

Status Netlink::delete_route(const Route& route) {
  NetlinkMessage message(RTM_DELROUTE, NLM_F_ACK);
  auto& info = message.extra<rtmsg>();
  VK8S_TRY(put_key(message, info, route));
  info.rtm_scope = RT_SCOPE_NOWHERE;  // any
  return forgive(socket_->transact(message, fmt::format("delete route {}", route.destination)),
                 Errc::kNotFound);
}

Result<std::vector<Route>> Netlink::list_routes(std::uint32_t table) {
  std::map<int, std::string> link_names;
  for (Link& link : VK8S_TRY(list_links())) {
    link_names.emplace(link.index, std::move(link.name));
  }
  const std::uint32_t wanted = table == 0 ? std::uint32_t{RT_TABLE_MAIN} : table;
  NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
  message.extra<rtmsg>();
  return socket_->dump<Route>(message, "list routes", [&](const nlmsghdr* answer) {
    return parse_route(answer, wanted, link_names);
  });
}

}  // namespace vk8s::sys
