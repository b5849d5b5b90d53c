#include "controller/calico_reservation.h"

#include <utility>

#include "controller/difference.h"

namespace vk8s::controller {
namespace {

void add_ranges(IpRangeSet& out, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (const auto range = IpRange::parse(text)) {
      out.add(*range);
    }
  }
}

bool lists_nothing(const Json& reservation) {
  const JsonArray* cidrs = base::get_array(reservation, "spec.reservedCIDRs");
  return cidrs == nullptr || cidrs->empty();
}

}  // namespace

std::vector<Cidr> reserved_blocks(const ClaimedAddresses& claimed) {
  IpRangeSet addresses;
  for (const api::IpPool& pool : claimed.pools) {
    IpRangeSet of_pool;
    add_ranges(of_pool, pool.ranges);
    IpRangeSet excluded;
    add_ranges(excluded, pool.exclusions);
    for (const IpRange& range : excluded.ranges()) {
      of_pool.remove(range);
    }
    for (const IpRange& range : of_pool.ranges()) {
      addresses.add(range);
    }
  }
  for (const IpAddress& address : claimed.allocated) {
    if (!addresses.contains(address)) {
      addresses.add(IpRange::create(address, address).value());
    }
  }
  return calico::blocks_of(addresses);
}

CalicoReservation::CalicoReservation(BatchClient& client, AddressMethods& methods, Claimed claimed,
                                     Log log)
    : client_(client), methods_(methods), claimed_(std::move(claimed)), log_(std::move(log)) {}

Status CalicoReservation::ensure() {
  const auto claimed = claimed_();
  if (!claimed || !VK8S_TRY(methods_.is_calico())) {
    return {};
  }
  const std::vector<Cidr> blocks = reserved_blocks(*claimed);
  const Json wanted = calico::ip_reservation(blocks);
  const kube::ObjectKey key{"", std::string(calico::kReservationName)};
  const auto existing = client_.run_one(get_request(calico::kIPReservation, key));
  if (!existing && existing.error().code() != Errc::kNotFound) {
    return tl::unexpected<Error>(Error(existing.error()).context("IPReservation {}", key.name));
  }
  const bool is_there = existing.has_value();
  if (is_there ? is_as_desired(wanted, *existing) && blocks.empty() == lists_nothing(*existing)
               : blocks.empty()) {
    return {};
  }
  const auto written = client_.run_one(apply_request(calico::kIPReservation, wanted));
  if (!written) {
    return tl::unexpected<Error>(Error(written.error())
                                     .context("IPReservation {}, which keeps Calico's own IPAM off "
                                              "the VNodeIPPools",
                                              key.name));
  }
  log_.info("IPReservation written", {{"name", key.name}, {"blocks", blocks.size()}});
  return {};
}

}  // namespace vk8s::controller
