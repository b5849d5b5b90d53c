#include "base/fuzz.h"
#include "controller/calico_resources.h"

// A document as a list of IPPools, and as a block.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  namespace calico = controller::calico;
  const auto document = base::parse_json(fuzz::text_of(data, size));
  if (!document) {
    return 0;
  }
  for (const calico::Pool& pool : calico::parse_pools(*document)) {
    fuzz::require(pool.block_size > 0 && pool.block_size <= pool.cidr.network().bits(),
                  "a block is one of the family");
    fuzz::require(Cidr::around(pool.cidr.network(), pool.block_size).has_value(),
                  "each address lies in a block");
  }
  const auto cidr = Cidr::parse(base::get_string(*document, "spec.cidr").value_or(""));
  if (!cidr) {
    return 0;
  }
  for (const IpAddress& address : {cidr->network(), cidr->last()}) {
    if (const auto holder = calico::holder_in_block(*document, address)) {
      for (const char each : holder->to_string()) {
        fuzz::require(static_cast<unsigned char>(each) >= ' ', "a holder is safe to show");
      }
    }
  }
  IpRangeSet set;
  set.add(IpRange::create(cidr->network(), cidr->last()).value());
  fuzz::require(calico::blocks_of(set) == std::vector<Cidr>{*cidr}, "a block is one block");
  return 0;
}
