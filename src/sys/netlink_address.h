// IP addresses, prefixes and MAC addresses as text and as bytes. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::sys {

struct IpAddress {
  int family = 0;                       // AF_INET or AF_INET6
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four

  std::size_t size() const;  // 4 or 16
  std::string to_string() const;
  bool operator==(const IpAddress&) const = default;
};

struct IpPrefix {
  IpAddress address;  // host bits are kept: "10.0.0.7/24" is an address with its network
  std::uint8_t length = 0;

  std::string to_string() const;
  bool contains(const IpAddress& other) const;
  bool operator==(const IpPrefix&) const = default;
};

using MacAddress = std::array<std::uint8_t, 6>;

Result<IpAddress> parse_ip_address(std::string_view text);
// "10.0.0.0/24", "fd00::/64"; without a slash it is one address (/32, /128).
Result<IpPrefix> parse_ip_prefix(std::string_view text);
// "0a:58:0a:00:00:01".
Result<MacAddress> parse_mac_address(std::string_view text);
std::string to_string(const MacAddress& address);

// The address `offset` after the first one of the prefix. kExhausted if that is
// outside. IPv4 only.
Result<IpAddress> address_at(const IpPrefix& prefix, std::uint32_t offset);

}  // namespace vk8s::sys
