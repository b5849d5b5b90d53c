// IP addresses and CIDR blocks, IPv4 and IPv6. Pure values; any thread.
//
// Parsing is strict, because what is accepted ends in certificates, routes and
// firewall rules that other programs read again: no leading zeros, no zones, no
// IPv4-mapped IPv6 (two spellings of one address), no host bits in a block.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::base {

class IpAddress {
 public:
  // 0.0.0.0
  IpAddress() = default;
  static Result<IpAddress> parse(std::string_view text);
  // 4 or 16 bytes in network order; another length is kInvalidArgument.
  static Result<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

  bool is_v4() const { return is_v4_; }
  // Of the family: 32 or 128.
  int bits() const { return is_v4_ ? 32 : 128; }
  // In network order, 4 or 16 of them. Valid as long as this address is.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), is_v4_ ? 4U : 16U}; }
  // RFC 5952.
  std::string to_string() const;

  bool is_unspecified() const;  // 0.0.0.0/8, ::
  bool is_loopback() const;     // 127.0.0.0/8, ::1
  bool is_link_local() const;   // 169.254.0.0/16, fe80::/10
  bool is_multicast() const;    // 224.0.0.0/4, ff00::/8

  // The address so many further; kExhausted beyond the last of the family.
  Result<IpAddress> plus(std::uint64_t offset) const;

  // IPv4 comes before IPv6, then by value.
  auto operator<=>(const IpAddress& other) const {
    if (const auto family = other.is_v4_ <=> is_v4_; family != 0) {
      return family;
    }
    return bytes_ <=> other.bytes_;
  }
  bool operator==(const IpAddress&) const = default;

 private:
  friend class Cidr;
  bool is_v4_ = true;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4: the first four, the rest is zero
};

// A block of addresses, "10.0.0.0/8".
class Cidr {
 public:
  // 0.0.0.0/0
  Cidr() = default;
  static Result<Cidr> parse(std::string_view text);
  // kInvalidArgument for a prefix beyond the family's bits and for host bits.
  static Result<Cidr> create(const IpAddress& network, int prefix_length);
  // The block of that size which holds the address.
  static Result<Cidr> around(const IpAddress& address, int prefix_length);

  const IpAddress& network() const { return network_; }
  int prefix_length() const { return prefix_length_; }
  bool is_v4() const { return network_.is_v4(); }
  std::string to_string() const;

  IpAddress last() const;
  bool contains(const IpAddress& address) const;
  bool contains(const Cidr& other) const;
  bool overlaps(const Cidr& other) const;
  // How many addresses; 2^64 - 1 if there are more.
  std::uint64_t size() const;
  // The network address is the 0th; kExhausted beyond the last one.
  Result<IpAddress> nth(std::uint64_t index) const;
  // The index-th block of that prefix length in this one.
  Result<Cidr> subnet(int prefix_length, std::uint64_t index) const;

  auto operator<=>(const Cidr&) const = default;
  bool operator==(const Cidr&) const = default;

 private:
  Cidr(const IpAddress& network, int prefix_length)
      : network_(network), prefix_length_(prefix_length) {}

  IpAddress network_;
  int prefix_length_ = 0;
};

}  // namespace vk8s::base

namespace vk8s {
using base::Cidr;
using base::IpAddress;
}  // namespace vk8s
