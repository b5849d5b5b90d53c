// What netlink needs beside base/cidr.h: addresses on a link, and MAC addresses. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/cidr.h"
#include "base/error.h"

namespace vk8s::sys {

// An address and the length of its network's prefix: "10.0.0.7/24". Unlike a
// Cidr it has host bits. Without a slash the prefix is the whole address.
struct InterfaceAddress {
  IpAddress address;
  int prefix_length = 0;

  static Result<InterfaceAddress> parse(std::string_view text);
  std::string to_string() const;
};

using MacAddress = std::array<std::uint8_t, 6>;

// "0a:58:0a:00:00:01".
Result<MacAddress> parse_mac_address(std::string_view text);
std::string to_string(const MacAddress& address);

}  // namespace vk8s::sys
