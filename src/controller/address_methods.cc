#include "controller/address_methods.h"

namespace vk8s::controller {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kBelievedFor{10};
// Somebody may just be installing one.
constexpr seconds kNothingFor{10};

}  // namespace

AddressMethods::AddressMethods(BatchClient& client, const World& world, StaticIpMethod configured,
                               Now now)
    : world_(world), configured_(configured), now_(now), calico_(client, std::move(now)) {}

Result<StaticIpMethod> AddressMethods::detect() {
  if (configured_ != StaticIpMethod::kAuto) {
    return configured_;
  }
  {
    const std::lock_guard lock(mutex_);
    if (now_() < found_until_) {
      return found_;
    }
  }
  const bool calico = VK8S_TRY(calico_.is_there());
  const StaticIpMethod found = calico                  ? StaticIpMethod::kCalico
                               : has_vk8s_ipam(world_) ? StaticIpMethod::kVk8s
                                                       : StaticIpMethod::kNone;
  const std::lock_guard lock(mutex_);
  found_ = found;
  found_until_ = now_();
  if (found == StaticIpMethod::kNone) {
    found_until_ += kNothingFor;
  } else {
    found_until_ += kBelievedFor;
  }
  return found;
}

Result<AddressMethod*> AddressMethods::choose() {
  switch (VK8S_TRY(detect())) {
    case StaticIpMethod::kCalico:
      return &calico_;
    case StaticIpMethod::kVk8s:
      return &vk8s_ipam_;
    default:
      break;
  }
  if (configured_ == StaticIpMethod::kNone) {
    return fail(Errc::kUnsupported,
                "fixed addresses are turned off here (--static-ip-method=none): ask the "
                "administrator, or leave spec.nodes[].ip and spec.network.staticIPs out");
  }
  return fail(Errc::kUnsupported,
              "this host cannot give pods fixed addresses: it has neither Calico's IPAM nor the "
              "CNI plugin vk8s-ipam: see docs/static-addresses.md for how to install that");
}

Result<bool> AddressMethods::is_calico() { return VK8S_TRY(detect()) == StaticIpMethod::kCalico; }

}  // namespace vk8s::controller
