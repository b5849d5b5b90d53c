#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "sys/netlink.h"
#include "sys/netlink_message.h"

namespace vk8s::sys {
namespace {

constexpr int kReplace = NLM_F_CREATE | NLM_F_REPLACE;

Status forgive_absence(Status status) {
  return !status && status.error().code() == Errc::kNotFound ? Status{} : std::move(status);
}

ndmsg header_of(const nlmsghdr* message) {
  ndmsg info{};
  std::memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
  return info;
}

}  // namespace

Status Netlink::replace_neighbour(const Neighbour& neighbour) {
  const IpAddress address = VK8S_TRY(IpAddress::parse(neighbour.address));
  const MacAddress mac = VK8S_TRY(parse_mac_address(neighbour.mac));
  NetlinkMessage message(RTM_NEWNEIGH, kReplace | NLM_F_ACK);
  auto& info = message.extra<ndmsg>();
  info.ndm_family = static_cast<std::uint8_t>(address_family(address));
  info.ndm_ifindex = VK8S_TRY(index_of(neighbour.link));
  info.ndm_state = NUD_PERMANENT;
  message.put(NDA_DST, address);
  message.put(NDA_LLADDR, mac);
  return socket_->transact(message, fmt::format("neighbour {} at {} on link {}", neighbour.address,
                                                neighbour.mac, neighbour.link));
}

Status Netlink::delete_neighbour(const Neighbour& neighbour) {
  const IpAddress address = VK8S_TRY(IpAddress::parse(neighbour.address));
  NetlinkMessage message(RTM_DELNEIGH, NLM_F_ACK);
  auto& info = message.extra<ndmsg>();
  info.ndm_family = static_cast<std::uint8_t>(address_family(address));
  info.ndm_ifindex = VK8S_TRY(index_of(neighbour.link));
  message.put(NDA_DST, address);
  return forgive_absence(socket_->transact(
      message, fmt::format("delete neighbour {} on link {}", neighbour.address, neighbour.link)));
}

Result<std::vector<Neighbour>> Netlink::list_neighbours(const std::string& link) {
  const int index = VK8S_TRY(index_of(link));
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  message.extra<ndmsg>();
  return socket_->dump<Neighbour>(
      message, fmt::format("list neighbours of link {}", link),
      [&](const nlmsghdr* answer) -> std::optional<Neighbour> {
        const ndmsg info = header_of(answer);
        const NetlinkAttributes attributes(answer, sizeof info);
        const auto address = attributes.address(NDA_DST);
        const bool is_ip = info.ndm_family == AF_INET || info.ndm_family == AF_INET6;
        if (answer->nlmsg_type != RTM_NEWNEIGH || info.ndm_ifindex != index || !is_ip ||
            (info.ndm_state & NUD_PERMANENT) == 0 || !address) {
          return std::nullopt;
        }
        return Neighbour{
            .address = address->to_string(), .mac = attributes.mac(NDA_LLADDR), .link = link};
      });
}

Status Netlink::replace_fdb(const FdbEntry& entry) {
  const IpAddress remote = VK8S_TRY(IpAddress::parse(entry.remote_address));
  const MacAddress mac = VK8S_TRY(parse_mac_address(entry.mac));
  NetlinkMessage message(RTM_NEWNEIGH, kReplace | NLM_F_ACK);
  auto& info = message.extra<ndmsg>();
  info.ndm_family = AF_BRIDGE;
  info.ndm_ifindex = VK8S_TRY(index_of(entry.link));
  info.ndm_state = NUD_NOARP | NUD_PERMANENT;
  info.ndm_flags = NTF_SELF;
  message.put(NDA_LLADDR, mac);
  message.put(NDA_DST, remote);
  return socket_->transact(message, fmt::format("forward {} to {} on link {}", entry.mac,
                                                entry.remote_address, entry.link));
}

Status Netlink::delete_fdb(const FdbEntry& entry) {
  const MacAddress mac = VK8S_TRY(parse_mac_address(entry.mac));
  NetlinkMessage message(RTM_DELNEIGH, NLM_F_ACK);
  auto& info = message.extra<ndmsg>();
  info.ndm_family = AF_BRIDGE;
  info.ndm_ifindex = VK8S_TRY(index_of(entry.link));
  info.ndm_flags = NTF_SELF;
  message.put(NDA_LLADDR, mac);
  return forgive_absence(socket_->transact(
      message, fmt::format("delete forwarding of {} on link {}", entry.mac, entry.link)));
}

Result<std::vector<FdbEntry>> Netlink::list_fdb(const std::string& link) {
  const int index = VK8S_TRY(index_of(link));
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  message.extra<ndmsg>().ndm_family = AF_BRIDGE;
  return socket_->dump<FdbEntry>(
      message, fmt::format("list forwarding entries of link {}", link),
      [&](const nlmsghdr* answer) -> std::optional<FdbEntry> {
        const ndmsg info = header_of(answer);
        const NetlinkAttributes attributes(answer, sizeof info);
        const auto remote = attributes.address(NDA_DST);
        if (answer->nlmsg_type != RTM_NEWNEIGH || info.ndm_ifindex != index || !remote) {
          return std::nullopt;
        }
        return FdbEntry{
            .mac = attributes.mac(NDA_LLADDR), .remote_address = remote->to_string(), .link = link};
      });
}

}  // namespace vk8s::sys
