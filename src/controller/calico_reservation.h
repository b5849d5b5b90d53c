// Calico's own IPAM is kept off the addresses of the VNodeIPPools, and off those that
// somebody has, whatever has become of the pool they are from: one IPReservation lists
// them. Annotations that ask for an address are not held by it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "api/ip_pool.h"
#include "base/log.h"
#include "controller/address_methods.h"
#include "controller/batch_client.h"

namespace vk8s::controller {

// As they are at one moment.
struct ClaimedAddresses {
  std::vector<api::IpPool> pools;
  std::vector<IpAddress> allocated;  // those that are given back but not free yet, too
};

// What the reservation must list: the pools' ranges without their exclusions, and what is
// allocated. Pure.
std::vector<Cidr> reserved_blocks(const ClaimedAddresses& claimed);

class CalicoReservation {
 public:
  // Nothing while not all of them are known: a reservation that lacks some would let
  // Calico give them away.
  using Claimed = std::function<std::optional<ClaimedAddresses>()>;

  // All outlive it.
  CalicoReservation(BatchClient& client, AddressMethods& methods, Claimed claimed, Log log);

  // Writes it where it differs; nothing on a host without Calico's IPAM, and nothing
  // before the first address. Any thread but the loop's.
  Status ensure();

 private:
  BatchClient& client_;
  AddressMethods& methods_;
  Claimed claimed_;
  Log log_;
};

}  // namespace vk8s::controller
