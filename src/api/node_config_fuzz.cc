#include "api/node_config.h"
#include "base/cidr.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto config = api::parse_node_config(fuzz::text_of(data, size));
  if (!config) {
    return 0;
  }
  fuzz::require(api::validate(*config).has_value(), "what is read is valid");
  const auto pods = Cidr::parse(config->pod_network_cidr);
  const auto own = Cidr::parse(config->pod_cidr);
  const auto services = Cidr::parse(config->service_cidr);
  fuzz::require(pods && own && services, "networks are networks");
  fuzz::require(pods->contains(*own) && !pods->overlaps(*services), "networks lie as they must");
  const auto again = api::parse_node_config(base::to_string(api::to_json(*config)));
  fuzz::require(again && *again == *config, "a configuration survives the round trip");
  return 0;
}
