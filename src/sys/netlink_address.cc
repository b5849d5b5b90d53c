#include "sys/netlink_address.h"

#include <charconv>

#include "base/text.h"

namespace vk8s::sys {
namespace {

bool parse_number(std::string_view text, int base, int& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return !text.empty() && text.front() != '-' && parsed.ec == std::errc() &&
         parsed.ptr == text.data() + text.size();
}

}  // namespace

Result<InterfaceAddress> InterfaceAddress::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const IpAddress address = VK8S_TRY(IpAddress::parse(text.substr(0, slash)));
  int length = address.bits();
  if (slash != std::string_view::npos &&
      (!parse_number(text.substr(slash + 1), 10, length) || length > address.bits())) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no address with a prefix such as 10.0.0.7/24",
                base::printable(text, 64));
  }
  return InterfaceAddress{.address = address, .prefix_length = length};
}

std::string InterfaceAddress::to_string() const {
  return fmt::format("{}/{}", address.to_string(), prefix_length);
}

Result<MacAddress> parse_mac_address(std::string_view text) {
  const auto parts = base::split(text, ':');
  MacAddress address{};
  bool valid = parts.size() == address.size();
  for (std::size_t i = 0; valid && i < parts.size(); ++i) {
    int value = 0;
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

}  // namespace vk8s::sys
