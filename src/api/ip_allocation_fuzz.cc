#include "api/ip_allocation.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto address = api::parse_allocation_name(text)) {
    fuzz::require(api::allocation_name(*address) == text, "a name is the only one of its address");
  }
  const auto document = base::parse_json(text);
  if (!document) {
    return 0;
  }
  const auto allocation = api::parse_ip_allocation(*document);
  if (!allocation) {
    return 0;
  }
  const auto again = api::parse_ip_allocation(api::to_json(*allocation));
  fuzz::require(again && *again == *allocation, "an allocation survives the round trip");
  fuzz::require(
      base::get_string(*document, "metadata.name") == api::allocation_name(allocation->address),
      "it is named by its address");
  fuzz::require(!allocation->owner || allocation->owner->is_same(*allocation->owner),
                "an owner is himself");
  return 0;
}
