#include <algorithm>

#include "base/fuzz.h"
#include "cni/network_config.h"

namespace {
using namespace vk8s;

void check_placement(const IpAddress& address, const std::vector<cni::AddressRange>& ranges,
                     bool is_gateway_bridge) {
  const auto placement = cni::place(address, ranges, is_gateway_bridge);
  if (!placement) {
    return;
  }
  const auto block = Cidr::around(address, placement->prefix_length);
  fuzz::require(block && placement->gateway != address, "the gateway is another's address");
  const bool is_around =
      std::any_of(ranges.begin(), ranges.end(), [&](const cni::AddressRange& range) {
        return range.subnet.contains(address) && range.gateway == placement->gateway;
      });
  fuzz::require(is_around || block->contains(placement->gateway),
                "outside all subnets address and gateway are two of one network");
  for (const cni::AddressRange& range : ranges) {
    fuzz::require(
        range.subnet.is_v4() != address.is_v4() || address < range.first || range.last < address,
        "nobody else is given the address");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = cni::parse_network_config(fuzz::text_of(data, size));
  if (!config) {
    return 0;
  }
  const auto again = cni::parse_network_config(cni::config_for_delegate(*config));
  fuzz::require(again && again->name == config->name && again->delegate == config->delegate &&
                    again->wanted_address == config->wanted_address,
                "the delegate is told the same");
  const auto ranges = cni::parse_ranges(*config);
  const auto address = IpAddress::parse(config->wanted_address.value_or(""));
  if (ranges && address) {
    check_placement(*address, *ranges, false);
    check_placement(*address, *ranges, true);
    (void)cni::routes_for(*address, *config);
  }
  (void)cni::previous_addresses(*config);
  (void)cni::valid_attachments(*config);
  return 0;
}
