// Calico's own IPAM is kept off the addresses of the VNodeIPPools: one IPReservation
// lists them. Annotations that ask for an address are not held by it.
#pragma once

#include <functional>
#include <vector>

#include "api/ip_pool.h"
#include "base/log.h"
#include "controller/address_methods.h"
#include "controller/batch_client.h"

namespace vk8s::controller {

// What the reservation must list: the pools' ranges without their exclusions. Pure.
std::vector<Cidr> reserved_blocks(const std::vector<api::IpPool>& pools);

class CalicoReservation {
 public:
  using Pools = std::function<std::vector<api::IpPool>()>;

  // All outlive it. pools: those there are now.
  CalicoReservation(BatchClient& client, AddressMethods& methods, Pools pools, Log log);

  // Writes it where it differs; nothing on a host without Calico's IPAM, and nothing
  // before the first pool. Any thread but the loop's.
  Status ensure();

 private:
  BatchClient& client_;
  AddressMethods& methods_;
  Pools pools_;
  Log log_;
};

}  // namespace vk8s::controller
