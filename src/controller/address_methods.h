// Which way this host gives fixed addresses to pods: as the administrator says
// (--static-ip-method), or by what there is. Any thread but the loop's.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/error.h"
#include "controller/calico_addresses.h"
#include "controller/cluster.h"
#include "controller/vk8s_ipam_addresses.h"

namespace vk8s::controller {

class AddressMethods {
 public:
  using Now = CalicoAddresses::Now;

  // All outlive it.
  AddressMethods(BatchClient& client, const World& world, StaticIpMethod configured, Now now);

  // kUnsupported where the host has none: what to install. kUnavailable where that is
  // not known. What was found is believed for some minutes.
  Result<AddressMethod*> choose();
  // Whether that is Calico: then its own IPAM must be kept off the pools.
  Result<bool> is_calico();

 private:
  Result<StaticIpMethod> detect();

  const World& world_;
  const StaticIpMethod configured_;
  const Now now_;
  CalicoAddresses calico_;
  Vk8sIpamAddresses vk8s_ipam_;

  std::mutex mutex_;
  // Guarded by mutex_: what was found, kNone = nothing, and until when that holds.
  StaticIpMethod found_ = StaticIpMethod::kNone;
  base::WallTime found_until_{};
};

}  // namespace vk8s::controller
