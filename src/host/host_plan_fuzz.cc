#include "base/fuzz.h"
#include "host/host_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto settings = host::parse_host_settings(fuzz::text_of(data, size));
  if (!settings) {
    return 0;
  }
  const auto again = host::parse_host_settings(base::to_string(host::to_json(*settings)));
  fuzz::require(again && *again == *settings, "settings survive the round trip");
  const auto plan = host::make_plan(*settings, "/state");
  fuzz::require(plan.has_value(), "of valid settings a plan can be made");
  fuzz::require(plan->nodes.size() == static_cast<std::size_t>(settings->node_count),
                "every node is planned");
  const Cidr subnet = Cidr::parse(settings->subnet).value();
  for (const host::NodePlan& node : plan->nodes) {
    fuzz::require(subnet.contains(IpAddress::parse(node.container.address).value()),
                  "a node lies in the subnet");
    fuzz::require(node.container.link.size() <= 15, "a link's name fits");
  }
  return 0;
}
