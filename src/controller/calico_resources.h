// Of Calico's API what this project reads and writes, as Calico keeps it in the
// Kubernetes datastore (group crd.projectcalico.org). Pure.
//
// Source: Calico's reference of IPPool and IPReservation, and the comments of its
// types (projectcalico/calico, api/pkg/apis/projectcalico/v3: ippool.go,
// ipamblocks.go, ipamconfig.go, ipreservation.go).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "base/ip_range.h"
#include "base/json.h"
#include "kube/client.h"

namespace vk8s::controller::calico {

inline constexpr std::string_view kGroupVersionPath = "/apis/crd.projectcalico.org/v1";
inline constexpr std::string_view kAddressesAnnotation = "cni.projectcalico.org/ipAddrs";
inline constexpr std::string_view kReservationName = "vk8s-reservation";
inline constexpr std::string_view kIpamConfigName = "default";

extern const kube::Resource kIPPool, kIPAMBlock, kIPAMConfig, kIPReservation;

struct Pool {
  std::string name;
  Cidr cidr;
  int block_size = 0;
  bool disabled = false;
  bool for_pods = true;  // allowedUses: a pool of tunnels or load balancers is none
};

// Those that can be read, of a list of IPPools.
std::vector<Pool> parse_pools(const Json& list);

// "10-1-0-64-26": how the block of that CIDR is called.
std::string block_name(const Cidr& block);

// Who has an address.
struct Holder {
  std::string handle;
  std::string namespace_name;
  std::string pod;
  std::string node;
  std::string to_string() const;  // "pod team-a/web-0 on node host-1", made safe to show
};
// By the block that it lies in; nothing where it is free, or the block is going.
std::optional<Holder> holder_in_block(const Json& block, const IpAddress& address);

// The fewest blocks that hold exactly these addresses.
std::vector<Cidr> blocks_of(const IpRangeSet& addresses);

Json ip_reservation(const std::vector<Cidr>& blocks);

}  // namespace vk8s::controller::calico
