// Hosts with Calico's own IPAM: an annotation asks it for the address.
//
// A StatefulSet's new pod asks before the old one's address has been given back
// (projectcalico/calico issue 4694) and hangs until kubelet tries again. So no
// StatefulSet is made, nor scaled up from nothing, while Calico still has the address with
// somebody. A pod that its StatefulSet makes again, be it after the controller has deleted
// an outdated one, is left to kubelet; a condition says who has the address meanwhile.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/wall_time.h"
#include "controller/address_method.h"
#include "controller/batch_client.h"
#include "controller/calico_resources.h"

namespace vk8s::controller {

class CalicoAddresses final : public AddressMethod {
 public:
  using Now = std::function<base::WallTime()>;

  // client outlives it.
  CalicoAddresses(BatchClient& client, Now now) : client_(client), now_(std::move(now)) {}

  // Whether Calico gives addresses on this host: it is installed, and its IPAM has
  // blocks or a configuration. With another IPAM plugin it has neither.
  Result<bool> is_there();

  std::map<std::string, std::string> annotations(const IpAddress& address) const override;
  Status check(const kube::ObjectKey& pod, const IpAddress& address, bool is_there) override;
  std::string limits() override;

 private:
  Result<std::vector<calico::Pool>> pools();
  Status check_pool(const IpAddress& address, calico::Pool& found);

  BatchClient& client_;
  const Now now_;

  std::mutex mutex_;
  // Guarded by mutex_: answers, and when they were given.
  std::vector<calico::Pool> pools_;
  base::WallTime pools_at_{};
  std::string limits_;
  base::WallTime limits_at_{};
};

}  // namespace vk8s::controller
