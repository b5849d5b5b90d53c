#include "base/cidr.h"
#include "base/fuzz.h"

namespace {
using namespace vk8s;

void check_address(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) {
    return;
  }
  const auto again = IpAddress::parse(address->to_string());
  fuzz::require(again && *again == *address, "an address survives the round trip");
  fuzz::require(IpAddress::from_bytes(address->bytes()).value() == *address, "so do its bytes");
  if (const auto next = address->plus(1)) {
    fuzz::require(*next > *address, "the next address is greater");
  }
  fuzz::require(Cidr::around(*address, address->bits() / 2)->contains(*address),
                "a block around an address contains it");
}

void check_block(std::string_view text) {
  const auto block = Cidr::parse(text);
  if (!block) {
    return;
  }
  const auto again = Cidr::parse(block->to_string());
  fuzz::require(again && *again == *block, "a block survives the round trip");
  fuzz::require(block->contains(block->network()) && block->contains(block->last()),
                "a block contains its ends");
  const std::uint64_t count = block->size();
  const auto last = block->nth(count - 1);
  fuzz::require(last && block->contains(*last), "a block contains its addresses");
  if (!block->last().plus(1)) {
    fuzz::require(!block->network().plus(count) || count == ~std::uint64_t{0},
                  "nothing is beyond the last address");
  }
  for (const int step : {0, 1, 8, 63}) {
    const auto part = block->subnet(block->prefix_length() + step, step == 0 ? 0 : 1);
    fuzz::require(!part || (block->contains(*part) && block->overlaps(*part)),
                  "a block contains its subnets");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_address(text);
  check_block(text);
  return 0;
}
