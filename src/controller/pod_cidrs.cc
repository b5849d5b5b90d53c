#include "controller/pod_cidrs.h"

#include <set>

#include "base/cidr.h"

namespace vk8s::controller {

Result<std::map<std::string, std::string>> assign_pod_cidrs(
    const api::Vk8sSpec& spec, const std::map<std::string, std::string>& assigned) {
  const Cidr network =
      VK8S_TRY_CONTEXT(Cidr::parse(spec.pod_network_cidr), "spec.kubernetes.podNetworkCidr");
  std::set<std::string> taken;
  for (const auto& [node, cidr] : assigned) {
    taken.insert(cidr);
  }
  std::map<std::string, std::string> out;
  std::uint64_t next = 0;
  for (const api::NodeSpec& node : spec.nodes) {
    if (const auto had = assigned.find(node.name); had != assigned.end()) {
      out[node.name] = had->second;
      continue;
    }
    while (!out.contains(node.name)) {
      const auto subnet = network.subnet(kNodePrefixLength, next++);
      if (!subnet) {
        return fail(Errc::kExhausted,
                    "spec.kubernetes.podNetworkCidr {} has no /{} left for node \"{}\": create a "
                    "cluster with a larger network, or remove nodes",
                    spec.pod_network_cidr, kNodePrefixLength, node.name);
      }
      if (taken.insert(subnet->to_string()).second) {
        out[node.name] = subnet->to_string();
      }
    }
  }
  return out;
}

}  // namespace vk8s::controller
