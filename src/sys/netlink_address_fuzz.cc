#include "base/fuzz.h"
#include "sys/netlink_address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto parsed = sys::InterfaceAddress::parse(text)) {
    fuzz::require(parsed->prefix_length >= 0 && parsed->prefix_length <= parsed->address.bits(),
                  "a prefix is of its family");
    const auto again = sys::InterfaceAddress::parse(parsed->to_string());
    fuzz::require(again && again->to_string() == parsed->to_string(),
                  "an address survives the round trip");
  }
  if (const auto mac = sys::parse_mac_address(text)) {
    fuzz::require(sys::parse_mac_address(sys::to_string(*mac)).value() == *mac,
                  "a MAC address survives the round trip");
  }
  return 0;
}
