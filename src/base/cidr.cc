#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/text.h"

namespace vk8s::base {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

// The byte of a netmask of that prefix length.
std::uint8_t mask_byte(int prefix_length, std::size_t index) {
  const int bits = std::clamp(prefix_length - static_cast<int>(index) * 8, 0, 8);
  return static_cast<std::uint8_t>(0xFF00U >> static_cast<unsigned>(bits));
}

// Adds addend << shift to the number of `length` bytes; false if it overflows.
bool add_shifted(Bytes& bytes, std::size_t length, std::uint64_t addend, int shift) {
  unsigned __int128 carry = static_cast<unsigned __int128>(addend) << (shift % 8);
  std::size_t at = length - static_cast<std::size_t>(shift / 8);
  while (at > 0 && carry != 0) {
    --at;
    carry += bytes[at];
    bytes[at] = static_cast<std::uint8_t>(carry & 0xFFU);
    carry >>= 8U;
  }
  return carry == 0;
}

bool is_v4_mapped(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; }) &&
         bytes[10] == 0xFF && bytes[11] == 0xFF;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::kInvalidArgument, "\"{}\" is not an IP address{}", printable(text, 64), why);
  };
  if (text.empty() || text.size() > 45 || text.find('\0') != std::string_view::npos) {
    return refuse(": write it like 10.0.0.1 or fd00::1");
  }
  const std::string terminated(text);
  Bytes bytes{};
  if (text.find(':') == std::string_view::npos) {
    if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) != 1) {
      return refuse(": write it like 10.0.0.1, without leading zeros");
    }
    return from_bytes({bytes.data(), 4});
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1) {
    return refuse(": write it like fd00::1");
  }
  return from_bytes(bytes);
}

Result<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return fail(Errc::kInvalidArgument, "an IP address has 4 or 16 bytes, not {}", bytes.size());
  }
  if (bytes.size() == 16 && is_v4_mapped(bytes)) {
    return fail(Errc::kInvalidArgument,
                "an IPv4-mapped IPv6 address (::ffff:a.b.c.d) is refused: write the IPv4 address");
  }
  IpAddress address;
  address.is_v4_ = bytes.size() == 4;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(is_v4_ ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

bool IpAddress::is_unspecified() const { return is_v4_ ? bytes_[0] == 0 : bytes_ == Bytes{}; }

bool IpAddress::is_loopback() const {
  Bytes one{};
  one[15] = 1;
  return is_v4_ ? bytes_[0] == 127 : bytes_ == one;
}

bool IpAddress::is_link_local() const {
  return is_v4_ ? bytes_[0] == 169 && bytes_[1] == 254
                : bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80;
}

bool IpAddress::is_multicast() const {
  return is_v4_ ? (bytes_[0] & 0xF0) == 0xE0 : bytes_[0] == 0xFF;
}

Result<IpAddress> IpAddress::plus(std::uint64_t offset) const {
  IpAddress sum = *this;
  if (!add_shifted(sum.bytes_, bytes().size(), offset, 0)) {
    return fail(Errc::kExhausted, "{} has no address {} further", to_string(), offset);
  }
  return sum;
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return fail(Errc::kInvalidArgument, "\"{}\" is not a CIDR: write it like 10.0.0.0/16",
                printable(text, 64));
  }
  const IpAddress network = VK8S_TRY_CONTEXT(IpAddress::parse(text.substr(0, slash)),
                                             "\"{}\" is not a CIDR", printable(text, 64));
  const std::string_view digits = text.substr(slash + 1);
  int length = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const bool leading_zero = digits.size() > 1 && digits[0] == '0';
  if (digits.empty() || digits.size() > 3 || parsed.ec != std::errc() || leading_zero ||
      parsed.ptr != digits.data() + digits.size() || length < 0) {
    return fail(Errc::kInvalidArgument, "\"{}\" is not a CIDR: its prefix length is not a number",
                printable(text, 64));
  }
  return create(network, length);
}

Result<Cidr> Cidr::create(const IpAddress& network, int prefix_length) {
  Cidr block = VK8S_TRY(around(network, prefix_length));
  if (block.network_ != network) {
    return fail(Errc::kInvalidArgument,
                "{}/{} is not a CIDR: the address has bits set beyond the prefix; write {}",
                network.to_string(), prefix_length, block.to_string());
  }
  return block;
}

Result<Cidr> Cidr::around(const IpAddress& address, int prefix_length) {
  if (prefix_length < 0 || prefix_length > address.bits()) {
    return fail(Errc::kInvalidArgument, "{}/{} is not a CIDR: the prefix length is 0 to {}",
                address.to_string(), prefix_length, address.bits());
  }
  IpAddress network = address;
  for (std::size_t i = 0; i < network.bytes_.size(); ++i) {
    network.bytes_[i] = static_cast<std::uint8_t>(network.bytes_[i] & mask_byte(prefix_length, i));
  }
  return Cidr(network, prefix_length);
}

std::string Cidr::to_string() const {
  return fmt::format("{}/{}", network_.to_string(), prefix_length_);
}

IpAddress Cidr::last() const {
  IpAddress address = network_;
  for (std::size_t i = 0; i < network_.bytes().size(); ++i) {
    const int host_bits = ~mask_byte(prefix_length_, i) & 0xFF;
    address.bytes_[i] = static_cast<std::uint8_t>(address.bytes_[i] | host_bits);
  }
  return address;
}

bool Cidr::contains(const IpAddress& address) const {
  const auto block = around(address, prefix_length_);
  return address.is_v4() == is_v4() && block && block->network_ == network_;
}

bool Cidr::contains(const Cidr& other) const {
  return other.prefix_length_ >= prefix_length_ && contains(other.network_);
}

bool Cidr::overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }

std::uint64_t Cidr::size() const {
  const int host_bits = network_.bits() - prefix_length_;
  return host_bits >= 64 ? std::numeric_limits<std::uint64_t>::max()
                         : std::uint64_t{1} << static_cast<unsigned>(host_bits);
}

Result<IpAddress> Cidr::nth(std::uint64_t index) const {
  const int host_bits = network_.bits() - prefix_length_;
  if (host_bits < 64 && index >= size()) {
    return fail(Errc::kExhausted, "{} has {} addresses: there is no address {}", to_string(),
                size(), index);
  }
  return network_.plus(index);
}

Result<Cidr> Cidr::subnet(int prefix_length, std::uint64_t index) const {
  if (prefix_length < prefix_length_ || prefix_length > network_.bits()) {
    return fail(Errc::kInvalidArgument, "{} has no subnets of prefix length {}: it is {} to {}",
                to_string(), prefix_length, prefix_length_, network_.bits());
  }
  const int index_bits = prefix_length - prefix_length_;
  if (index_bits < 64 && index >> static_cast<unsigned>(index_bits) != 0) {
    return fail(Errc::kExhausted, "{} has {} subnets of prefix length {}: there is no subnet {}",
                to_string(), std::uint64_t{1} << static_cast<unsigned>(index_bits), prefix_length,
                index);
  }
  IpAddress network = network_;
  add_shifted(network.bytes_, network_.bytes().size(), index, network_.bits() - prefix_length);
  return Cidr(network, prefix_length);
}

}  // namespace vk8s::base
