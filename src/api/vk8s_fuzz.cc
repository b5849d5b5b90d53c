#include "api/quantity.h"
#include "api/vk8s.h"
#include "base/cidr.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto document = base::parse_json(fuzz::text_of(data, size));
  if (!document) {
    return 0;
  }
  const api::Vk8sStatus status = api::parse_vk8s_status(*document);
  fuzz::require(api::parse_vk8s_status(api::to_json(status)) == status,
                "a status survives the round trip");
  const auto cluster = api::parse_vk8s(*document);
  if (!cluster) {
    return 0;
  }
  fuzz::require(!cluster->metadata.name.empty() && !cluster->metadata.uid.empty(),
                "a cluster is an object of the API");
  fuzz::require(cluster->find_node(cluster->master().name) != nullptr, "it has a master");
  cluster->wants_pause();
  for (const api::AddonSpec& addon : cluster->spec.addons) {
    fuzz::require(!addon.name.empty() && addon.name.size() <= 40, "add-ons have names");
    fuzz::require(cluster->has_addons(), "a cluster has what its spec names");
  }
  for (const api::NodeSpec& node : cluster->spec.nodes) {
    fuzz::require(node.storage.size.empty() || api::parse_quantity(node.storage.size).has_value(),
                  "sizes are quantities");
    const auto address = IpAddress::parse(node.ip);
    fuzz::require(node.ip.empty() || (address && address->to_string() == node.ip),
                  "addresses are addresses, in one spelling");
    fuzz::require(!cluster->wants_address(node) || cluster->wants_addresses(),
                  "a cluster wants what its nodes want");
  }
  for (const api::PortSpec& port : cluster->spec.ports) {
    fuzz::require(port.port > 0 && port.port <= 65535, "ports are ports");
  }
  return 0;
}
