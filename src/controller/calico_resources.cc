#include "controller/calico_resources.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace vk8s::controller::calico {
namespace {

constexpr int kDefaultBlockSizeV4 = 26;
constexpr int kDefaultBlockSizeV6 = 122;

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// Empty: for tunnels and pods.
bool allows_pods(const Json& pool) {
  const JsonArray* uses = base::get_array(pool, "spec.allowedUses");
  return uses == nullptr || uses->empty() ||
         std::any_of(uses->begin(), uses->end(), [](const Json& use) { return use == "Workload"; });
}

// The largest block that begins at `first` and does not go beyond `last`.
Cidr largest_block(const IpAddress& first, const IpAddress& last) {
  Cidr out = *Cidr::create(first, first.bits());
  for (int prefix = first.bits() - 1; prefix >= 0; --prefix) {
    const auto larger = Cidr::create(first, prefix);
    if (!larger || larger->last() > last) {
      break;
    }
    out = *larger;
  }
  return out;
}

}  // namespace

const kube::Resource kIPPool{"crd.projectcalico.org", "v1", "ippools", "IPPool", false};
const kube::Resource kIPAMBlock{"crd.projectcalico.org", "v1", "ipamblocks", "IPAMBlock", false};
const kube::Resource kIPAMConfig{"crd.projectcalico.org", "v1", "ipamconfigs", "IPAMConfig", false};
const kube::Resource kIPReservation{"crd.projectcalico.org", "v1", "ipreservations",
                                    "IPReservation", false};

std::vector<Pool> parse_pools(const Json& list) {
  std::vector<Pool> out;
  const JsonArray* items = base::get_array(list, "items");
  for (const Json& item : items == nullptr ? JsonArray() : *items) {
    const auto cidr = Cidr::parse(text(item, "spec.cidr"));
    if (!cidr) {
      continue;
    }
    Pool pool;
    pool.name = text(item, "metadata.name");
    pool.cidr = *cidr;
    pool.block_size = static_cast<int>(base::get_int(item, "spec.blockSize").value_or(0));
    if (pool.block_size < cidr->prefix_length() || pool.block_size > cidr->network().bits()) {
      pool.block_size = cidr->is_v4() ? kDefaultBlockSizeV4 : kDefaultBlockSizeV6;
    }
    pool.disabled = base::get_bool(item, "spec.disabled").value_or(false);
    pool.for_pods = allows_pods(item);
    out.push_back(std::move(pool));
  }
  return out;
}

std::string block_name(const Cidr& block) {
  std::string out = block.to_string();
  for (char& each : out) {
    each = each == '.' || each == ':' || each == '/' ? '-' : each;
  }
  return out;
}

std::string Holder::to_string() const {
  const auto clean = [](const std::string& words) { return base::printable(words, 253); };
  if (pod.empty()) {
    return handle.empty() ? "somebody that Calico does not name" : "handle " + clean(handle);
  }
  return fmt::format("pod {}/{}{}", clean(namespace_name), clean(pod),
                     node.empty() ? std::string() : " on node " + clean(node));
}

std::optional<Holder> holder_in_block(const Json& block, const IpAddress& address) {
  const auto cidr = Cidr::parse(text(block, "spec.cidr"));
  const JsonArray* allocations = base::get_array(block, "spec.allocations");
  if (!cidr || !cidr->contains(address) || allocations == nullptr ||
      base::get_bool(block, "spec.deleted").value_or(false)) {
    return std::nullopt;
  }
  const auto range = IpRange::create(cidr->network(), cidr->last());
  const auto ordinal = range ? range->index_of(address) : std::nullopt;
  if (!ordinal || *ordinal >= allocations->size() || !(*allocations)[*ordinal].is_int64()) {
    return std::nullopt;
  }
  Holder out;
  const std::int64_t index = (*allocations)[*ordinal].get_int64();
  const JsonArray* attributes = base::get_array(block, "spec.attributes");
  if (attributes != nullptr && index >= 0 &&
      static_cast<std::uint64_t>(index) < attributes->size()) {
    const Json& attribute = (*attributes)[static_cast<std::size_t>(index)];
    out.handle = text(attribute, "handle_id");
    out.namespace_name = text(attribute, "secondary.namespace");
    out.pod = text(attribute, "secondary.pod");
    out.node = text(attribute, "secondary.node");
  }
  return out;
}

std::vector<Cidr> blocks_of(const IpRangeSet& addresses) {
  std::vector<Cidr> out;
  for (const IpRange& range : addresses.ranges()) {
    IpAddress first = range.first();
    while (true) {
      out.push_back(largest_block(first, range.last()));
      const auto next = out.back().last().plus(1);
      if (!next || *next > range.last() || next->is_v4() != range.is_v4()) {
        break;
      }
      first = *next;
    }
  }
  return out;
}

Json ip_reservation(const std::vector<Cidr>& blocks) {
  JsonArray reserved;
  for (const Cidr& block : blocks) {
    reserved.emplace_back(block.to_string());
  }
  JsonObject out;
  out["apiVersion"] = kIPReservation.api_version();
  out["kind"] = kIPReservation.kind;
  out["metadata"] = JsonObject{{"name", Json(kReservationName)}};
  out["spec"] = JsonObject{{"reservedCIDRs", std::move(reserved)}};
  return out;
}

}  // namespace vk8s::controller::calico
