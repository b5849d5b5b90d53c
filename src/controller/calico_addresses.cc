#include "controller/calico_addresses.h"

#include <fmt/format.h>

#include "base/text.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

constexpr seconds kPoolsFor{10};
constexpr seconds kLimitsFor{60};

BatchClient::Request list_request(const kube::Resource& resource, int limit) {
  return [&resource, limit](kube::Client& client, kube::Client::Callback done) {
    return client.list(resource, "", {.limit = limit, .omit_managed_fields = true},
                       std::move(done));
  };
}

// What is asked of Calico can fail for no fault of the user's.
tl::unexpected<Error> not_known(const Error& error, std::string_view what) {
  return fail(Errc::kUnavailable, "what Calico has is not known: {}: {}", what, error.message());
}

}  // namespace

Result<bool> CalicoAddresses::is_there() {
  auto blocks = client_.run_one(list_request(calico::kIPAMBlock, 1));
  if (!blocks && blocks.error().code() == Errc::kNotFound) {
    return false;  // no such kind
  }
  if (!blocks) {
    return not_known(blocks.error(), "list IPAMBlocks");
  }
  const JsonArray* items = base::get_array(*blocks, "items");
  if (items != nullptr && !items->empty()) {
    return true;
  }
  const auto config =
      client_.run_one(get_request(calico::kIPAMConfig, {"", std::string(calico::kIpamConfigName)}));
  if (!config && config.error().code() != Errc::kNotFound) {
    return not_known(config.error(), "get IPAMConfig default");
  }
  return config.has_value();
}

std::map<std::string, std::string> CalicoAddresses::annotations(const IpAddress& address) const {
  return {
      {std::string(calico::kAddressesAnnotation), fmt::format(R"(["{}"])", address.to_string())}};
}

Result<std::vector<calico::Pool>> CalicoAddresses::pools() {
  {
    const std::lock_guard lock(mutex_);
    if (now_() - pools_at_ < kPoolsFor) {
      return pools_;
    }
  }
  auto listed = client_.run_one(list_request(calico::kIPPool, 0));
  if (!listed) {
    return not_known(listed.error(), "list IPPools");
  }
  const std::lock_guard lock(mutex_);
  pools_ = calico::parse_pools(*listed);
  pools_at_ = now_();
  return pools_;
}

Status CalicoAddresses::check_pool(const IpAddress& address, calico::Pool& found) {
  std::string unusable;
  for (const calico::Pool& pool : VK8S_TRY(pools())) {
    if (!pool.cidr.contains(address)) {
      continue;
    }
    if (!pool.disabled && pool.for_pods) {
      found = pool;
      return {};
    }
    unusable = fmt::format("its IPPool {} is {}", base::printable(pool.name, 253),
                           pool.disabled ? "disabled" : "not for pods (spec.allowedUses)");
  }
  return fail(Errc::kInvalidArgument,
              "Calico cannot give {} to a pod: {}; make an IPPool that holds the addresses of the "
              "VNodeIPPools",
              address.to_string(), unusable.empty() ? "it is in no IPPool" : unusable);
}

Status CalicoAddresses::check(const kube::ObjectKey& pod, const IpAddress& address, bool is_there) {
  calico::Pool pool;
  VK8S_TRY(check_pool(address, pool));
  const Cidr block = VK8S_TRY(Cidr::around(address, pool.block_size));
  const auto found =
      client_.run_one(get_request(calico::kIPAMBlock, {"", calico::block_name(block)}));
  if (!found && found.error().code() == Errc::kNotFound) {
    return {};
  }
  if (!found) {
    return not_known(found.error(), "get IPAMBlock " + calico::block_name(block));
  }
  const auto holder = calico::holder_in_block(*found, address);
  if (!holder) {
    return {};
  }
  const bool is_own = holder->namespace_name == pod.namespace_name && holder->pod == pod.name;
  if (is_own && is_there) {
    return {};
  }
  return fail(Errc::kAlreadyExists, "Calico still has {} with {}: waiting until it is given back{}",
              address.to_string(), is_own ? "the earlier pod of this node" : holder->to_string(),
              is_own ? "" : "; if that pod is to stay, choose another address");
}

std::string CalicoAddresses::limits() {
  {
    const std::lock_guard lock(mutex_);
    if (now_() - limits_at_ < kLimitsFor) {
      return limits_;
    }
  }
  const auto config =
      client_.run_one(get_request(calico::kIPAMConfig, {"", std::string(calico::kIpamConfigName)}));
  const bool strict = config && base::get_bool(*config, "spec.strictAffinity").value_or(false);
  const std::lock_guard lock(mutex_);
  limits_ = strict ? "Calico's IPAMConfig has strictAffinity: true, so an address stays on the "
                     "host node whose block holds it, and a pod that moves to another one does not "
                     "start: calicoctl ipam configure --strictaffinity=false"
                   : "";
  limits_at_ = now_();
  return limits_;
}

}  // namespace vk8s::controller
