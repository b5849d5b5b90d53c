// Netlink messages, built and read. For netlink*.cc only.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "base/error.h"
#include "sys/netlink.h"
#include "sys/netlink_address.h"

namespace vk8s::sys {

// A request with one fixed-size header and attributes. Attributes come from
// checked names and addresses: they fit by far.
class NetlinkMessage {
 public:
  NetlinkMessage(int type, int flags);

  // The family's header (ifinfomsg, ndmsg, ...): zeroed, before any attribute.
  template <class Header>
  Header& extra() {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(header_, sizeof(Header)));
  }
  void put(int type, std::string_view text);  // NUL-terminated on the wire
  void put_u8(int type, std::uint8_t value);
  void put_u32(int type, std::uint32_t value);
  void put_u16_network(int type, std::uint16_t value);
  void put(int type, const IpAddress& address);
  void put(int type, const MacAddress& address);
  // Attributes put by `fill` lie inside this one.
  void nest(int type, const std::function<void()>& fill);
  void nest_with_header(int type, std::span<const std::byte> header,
                        const std::function<void()>& fill);

  nlmsghdr* header() { return header_; }

 private:
  alignas(8) std::array<char, 8192> buffer_{};
  nlmsghdr* header_;
};

// The attributes of one message of the kernel's, read where they lie.
class NetlinkAttributes {
 public:
  // Those behind a family header of that size.
  NetlinkAttributes(const nlmsghdr* message, std::size_t family_header_bytes);
  // Those inside an attribute.
  explicit NetlinkAttributes(const nlattr* nest);

  const nlattr* find(int type) const;
  std::uint32_t u32(int type, std::uint32_t otherwise = 0) const;
  std::uint8_t u8(int type) const;
  std::string text(int type) const;
  std::optional<IpAddress> address(int type) const;
  std::string mac(int type) const;  // "" if there is none
  std::span<const char> bytes(int type) const;

 private:
  const char* begin_;
  const char* end_;
};

// The kernel's side of the conversation.
class Netlink::Socket {
 public:
  static Result<std::unique_ptr<Socket>> open();
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Sends and waits for the acknowledgement, or for the one message asked for.
  using OnMessage = std::function<void(const nlmsghdr*)>;
  Status transact(NetlinkMessage& message, const std::string& what,
                  const OnMessage& on_message = nullptr);

  // Every message of a dump, parsed; nothing from parse = not wanted. A dump that
  // raced with a change is asked for again.
  template <class T>
  Result<std::vector<T>> dump(NetlinkMessage& message, const std::string& what,
                              const std::function<std::optional<T>(const nlmsghdr*)>& parse) {
    constexpr int kAttempts = 10;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      std::vector<T> all;
      VK8S_TRY(transact(message, what, [&](const nlmsghdr* answer) {
        if (auto one = parse(answer)) {
          all.push_back(std::move(*one));
        }
      }));
      if (!interrupted_) {
        return all;
      }
    }
    return fail(Errc::kUnavailable, "{}: it changed {} times while it was read", what, kAttempts);
  }

 private:
  explicit Socket(mnl_socket* socket) : socket_(socket) {}
  // True: the answer is complete.
  Result<bool> handle(const nlmsghdr* message, unsigned sequence, const std::string& what,
                      const OnMessage& on_message);
  Result<bool> receive(unsigned sequence, const std::string& what, const OnMessage& on_message);

  mnl_socket* socket_;
  unsigned sequence_ = 0;
  bool interrupted_ = false;
  alignas(8) std::array<char, 32768> buffer_{};
};

// 1 to 15 characters, no '/', no space: what the kernel takes.
Status check_link_name(const std::string& name);

int address_family(const IpAddress& address);

}  // namespace vk8s::sys
