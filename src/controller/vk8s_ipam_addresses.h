// Hosts whose CNI configuration names the IPAM plugin vk8s-ipam: it reads
// api::kIpAnnotation itself, and waits by failing where the address is still held.
#pragma once

#include "controller/address_method.h"
#include "controller/world.h"

namespace vk8s::controller {

class Vk8sIpamAddresses final : public AddressMethod {
 public:
  std::map<std::string, std::string> annotations(const IpAddress&) const override { return {}; }
  Status check(const kube::ObjectKey&, const IpAddress&, bool) override { return {}; }
  std::string limits() override { return {}; }
};

// Whether a Node of the host says so: who serves the plugin keeps api::kHeldIpsAnnotation.
bool has_vk8s_ipam(const World& world);

}  // namespace vk8s::controller
