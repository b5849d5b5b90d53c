#include <string>

#include "api/quantity.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  const auto millis = api::parse_quantity_millis(text);
  const auto units = api::parse_quantity(text);
  fuzz::require(millis.has_value() == units.has_value(), "both units take the same");
  if (!millis) {
    return 0;
  }
  fuzz::require(*millis >= 0 && *units >= 0, "a quantity is not negative");
  fuzz::require(*units == *millis / 1000 + (*millis % 1000 == 0 ? 0 : 1), "units are rounded up");
  const auto again = api::parse_quantity_millis(std::to_string(*millis) + "m");
  fuzz::require(again && *again == *millis, "a quantity survives the round trip");
  return 0;
}
