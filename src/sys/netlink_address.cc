#include "sys/netlink_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace vk8s::sys {
namespace {

bool parse_number(std::string_view text, int base, unsigned& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

std::uint32_t to_number(const IpAddress& address) {
  return (std::uint32_t{address.bytes[0]} << 24U) | (std::uint32_t{address.bytes[1]} << 16U) |
         (std::uint32_t{address.bytes[2]} << 8U) | std::uint32_t{address.bytes[3]};
}

IpAddress to_address(std::uint32_t number) {
  IpAddress address{.family = AF_INET, .bytes = {}};
  for (std::size_t i = 0; i < 4; ++i) {
    address.bytes.at(i) = static_cast<std::uint8_t>(number >> (24U - 8U * i));
  }
  return address;
}

}  // namespace

std::size_t IpAddress::size() const { return family == AF_INET6 ? 16 : 4; }

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, bytes.data(), text, sizeof text);
  return text;
}

std::string IpPrefix::to_string() const {
  return fmt::format("{}/{}", address.to_string(), unsigned{length});
}

bool IpPrefix::contains(const IpAddress& other) const {
  if (other.family != address.family) {
    return false;
  }
  for (std::size_t i = 0; i < address.size(); ++i) {
    const unsigned bits = std::min(8U, length - std::min(unsigned{length}, unsigned(i) * 8U));
    const auto mask = static_cast<std::uint8_t>(0xFF00U >> bits);
    if (((address.bytes.at(i) ^ other.bytes.at(i)) & mask) != 0) {
      return false;
    }
  }
  return true;
}

Result<IpAddress> parse_ip_address(std::string_view text) {
  const std::string copy(text);
  IpAddress address;
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, copy.c_str(), address.bytes.data()) == 1 &&
        copy.find('\0') == std::string::npos) {
      address.family = family;
      return address;
    }
  }
  return fail(Errc::kInvalidArgument, "\"{}\" is no IP address", base::printable(text, 64));
}

Result<IpPrefix> parse_ip_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  IpPrefix prefix;
  prefix.address = VK8S_TRY(parse_ip_address(text.substr(0, slash)));
  const auto whole = static_cast<unsigned>(prefix.address.size() * 8);
  unsigned length = whole;
  if (slash != std::string_view::npos &&
      (!parse_number(text.substr(slash + 1), 10, length) || length > whole)) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no prefix such as 10.0.0.0/24",
                base::printable(text, 64));
  }
  prefix.length = static_cast<std::uint8_t>(length);
  return prefix;
}

Result<MacAddress> parse_mac_address(std::string_view text) {
  const auto parts = base::split(text, ':');
  MacAddress address{};
  bool valid = parts.size() == address.size();
  for (std::size_t i = 0; valid && i < parts.size(); ++i) {
    unsigned value = 0;
    valid = parts[i].size() == 2 && parse_number(parts[i], 16, value);
    address.at(i) = static_cast<std::uint8_t>(value);
  }
  if (!valid) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no MAC address such as 0a:58:0a:00:00:01",
                base::printable(text, 64));
  }
  return address;
}

std::string to_string(const MacAddress& address) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", address[0], address[1],
                     address[2], address[3], address[4], address[5]);
}

Result<IpAddress> address_at(const IpPrefix& prefix, std::uint32_t offset) {
  if (prefix.address.family != AF_INET) {
    return fail(Errc::kUnsupported, "{} is not IPv4", prefix.to_string());
  }
  const unsigned host_bits = 32U - prefix.length;
  const std::uint64_t size = std::uint64_t{1} << host_bits;
  if (offset >= size) {
    return fail(Errc::kExhausted, "{} has no address number {}", prefix.to_string(), offset);
  }
  const auto first =
      static_cast<std::uint32_t>(std::uint64_t{to_number(prefix.address)} / size * size);
  return to_address(first + offset);
}

}  // namespace vk8s::sys
