#include <bit>

#include "base/fuzz.h"
#include "host/oci_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto mask = host::parse_bounding_set(fuzz::text_of(data, size));
  if (mask) {
    const auto names = host::capability_names(*mask);
    fuzz::require(names.size() <= static_cast<std::size_t>(std::popcount(*mask)),
                  "no capability is made up");
  }
  return 0;
}
