#include "sys/netlink.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "sys/netlink_message.h"

namespace vk8s::sys {

NetlinkMessage::NetlinkMessage(int type, int flags)
    : header_(mnl_nlmsg_put_header(buffer_.data())) {
  header_->nlmsg_type = static_cast<std::uint16_t>(type);
  header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void NetlinkMessage::put(int type, std::string_view text) {
  mnl_attr_put_strz(header_, static_cast<std::uint16_t>(type), std::string(text).c_str());
}
void NetlinkMessage::put_u8(int type, std::uint8_t value) {
  mnl_attr_put_u8(header_, static_cast<std::uint16_t>(type), value);
}
void NetlinkMessage::put_u32(int type, std::uint32_t value) {
  mnl_attr_put_u32(header_, static_cast<std::uint16_t>(type), value);
}
void NetlinkMessage::put_u16_network(int type, std::uint16_t value) {
  const auto swapped = static_cast<std::uint16_t>((value << 8U) | (value >> 8U));
  mnl_attr_put_u16(header_, static_cast<std::uint16_t>(type), swapped);
}
void NetlinkMessage::put(int type, const IpAddress& address) {
  mnl_attr_put(header_, static_cast<std::uint16_t>(type), address.bytes().size(),
               address.bytes().data());
}
void NetlinkMessage::put(int type, const MacAddress& address) {
  mnl_attr_put(header_, static_cast<std::uint16_t>(type), address.size(), address.data());
}

void NetlinkMessage::nest(int type, const std::function<void()>& fill) {
  nlattr* start = mnl_attr_nest_start(header_, static_cast<std::uint16_t>(type));
  fill();
  mnl_attr_nest_end(header_, start);
}

void NetlinkMessage::nest_with_header(int type, std::span<const std::byte> header,
                                      const std::function<void()>& fill) {
  nest(type, [&] {
    std::memcpy(mnl_nlmsg_put_extra_header(header_, header.size()), header.data(), header.size());
    fill();
  });
}

NetlinkAttributes::NetlinkAttributes(const nlmsghdr* message, std::size_t family_header_bytes)
    : begin_(static_cast<const char*>(mnl_nlmsg_get_payload_offset(message, family_header_bytes))),
      // Not libmnl's tail: it is rounded up, and may lie behind what was received.
      end_(reinterpret_cast<const char*>(message) + message->nlmsg_len) {}

NetlinkAttributes::NetlinkAttributes(const nlattr* nest)
    : begin_(nest == nullptr ? nullptr : static_cast<const char*>(mnl_attr_get_payload(nest))),
      end_(nest == nullptr ? nullptr : begin_ + mnl_attr_get_payload_len(nest)) {}

const nlattr* NetlinkAttributes::find(int type) const {
  const char* at = begin_;
  while (at != nullptr && at < end_) {
    const auto* attribute = reinterpret_cast<const nlattr*>(at);
    if (!mnl_attr_ok(attribute, static_cast<int>(end_ - at))) {
      break;
    }
    if (mnl_attr_get_type(attribute) == type) {
      return attribute;
    }
    at = reinterpret_cast<const char*>(mnl_attr_next(attribute));
  }
  return nullptr;
}

std::span<const char> NetlinkAttributes::bytes(int type) const {
  const nlattr* attribute = find(type);
  if (attribute == nullptr) {
    return {};
  }
  return {static_cast<const char*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute)};
}

std::uint32_t NetlinkAttributes::u32(int type, std::uint32_t otherwise) const {
  const auto content = bytes(type);
  if (content.size() < sizeof otherwise) {
    return otherwise;
  }
  std::memcpy(&otherwise, content.data(), sizeof otherwise);
  return otherwise;
}

std::uint8_t NetlinkAttributes::u8(int type) const {
  const auto content = bytes(type);
  return content.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(content[0]);
}

std::string NetlinkAttributes::text(int type) const {
  const auto content = bytes(type);
  return {content.begin(), std::find(content.begin(), content.end(), '\0')};
}

std::optional<IpAddress> NetlinkAttributes::address(int type) const {
  const auto content = bytes(type);
  const auto address = IpAddress::from_bytes(
      {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
  return address ? std::optional(*address) : std::nullopt;
}

std::string NetlinkAttributes::mac(int type) const {
  MacAddress address{};
  const auto content = bytes(type);
  if (content.size() != address.size()) {
    return {};
  }
  std::memcpy(address.data(), content.data(), address.size());
  return to_string(address);
}

Result<std::unique_ptr<Netlink::Socket>> Netlink::Socket::open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return fail_errno(errno, "open a netlink socket");
  }
  std::unique_ptr<Socket> owner(new Socket(socket));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
    return fail_errno(errno, "bind a netlink socket");
  }
  int on = 1;
  mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
  return owner;
}

Netlink::Socket::~Socket() { mnl_socket_close(socket_); }

namespace {

// Absence of a thing has one code here, whatever errno the kernel chose for it.
Error error_of(const nlmsghdr* message, int error_number, const std::string& what) {
  std::string text = what;
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    const bool capped = (message->nlmsg_flags & NLM_F_CAPPED) != 0;
    const std::size_t request = capped ? 0 : error->msg.nlmsg_len - sizeof(nlmsghdr);
    const NetlinkAttributes attributes(message, sizeof(nlmsgerr) + request);
    const std::string words = attributes.text(NLMSGERR_ATTR_MSG);
    if (!words.empty()) {
      text += fmt::format(" ({})", base::printable(words, 200));
    }
  }
  const bool absent = error_number == ENODEV || error_number == ESRCH || error_number == ENOENT ||
                      error_number == EADDRNOTAVAIL;
  const Error error = base::error_from_errno(error_number, text);
  return absent ? Error(Errc::kNotFound, error.message()) : error;
}

}  // namespace

Result<bool> Netlink::Socket::handle(const nlmsghdr* message, unsigned sequence,
                                     const std::string& what, const OnMessage& on_message) {
  if (message->nlmsg_seq != sequence) {
    return false;  // the rest of an earlier answer
  }
  if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
    interrupted_ = true;  // read on: the kernel runs one dump of a socket at a time
  }
  if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
    int error = 0;
    if (mnl_nlmsg_get_payload_len(message) >= sizeof error) {
      std::memcpy(&error, mnl_nlmsg_get_payload(message), sizeof error);
    }
    if (error != 0) {
      return tl::unexpected(error_of(message, -error, what));
    }
    return true;
  }
  if (on_message) {
    on_message(message);
  }
  return on_message && (message->nlmsg_flags & NLM_F_MULTI) == 0;
}

Result<bool> Netlink::Socket::receive(unsigned sequence, const std::string& what,
                                      const OnMessage& on_message) {
  ssize_t got = 0;
  do {
    got = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return fail_errno(errno, "{}: receive from the kernel", what);
  }
  int left = static_cast<int>(got);
  const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
  bool complete = false;
  while (!complete && mnl_nlmsg_ok(message, left)) {
    complete = VK8S_TRY(handle(message, sequence, what, on_message));
    message = mnl_nlmsg_next(message, &left);
  }
  return complete;
}

Status Netlink::Socket::transact(NetlinkMessage& message, const std::string& what,
                                 const OnMessage& on_message) {
  message.header()->nlmsg_seq = ++sequence_;
  interrupted_ = false;
  if (mnl_socket_sendto(socket_, message.header(), message.header()->nlmsg_len) < 0) {
    return fail_errno(errno, "{}: send to the kernel", what);
  }
  while (!VK8S_TRY(receive(message.header()->nlmsg_seq, what, on_message))) {
  }
  return {};
}

Netlink::Netlink(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

Result<Netlink> Netlink::open() { return Netlink(VK8S_TRY(Socket::open())); }

Result<Netlink> Netlink::open_in(const NetNs& space) {
  std::unique_ptr<Socket> socket;
  const Status opened = space.run([&]() -> Status {
    socket = VK8S_TRY(Socket::open());
    return {};
  });
  if (!opened) {
    return tl::unexpected(opened.error());
  }
  return Netlink(std::move(socket));
}

Status check_link_name(const std::string& name) {
  const bool valid = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return c > ' ' && c < 0x7F && c != '/' && c != ':';
                     });
  if (!valid) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no name for a link: 1 to 15 characters",
                base::printable(name, 40));
  }
  return {};
}

int address_family(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace vk8s::sys
