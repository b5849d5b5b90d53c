#include "api/from_spec.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const api::FromSpec once = api::parse_from_spec(fuzz::text_of(data, size));
  const std::string written = api::to_string(once);
  // Escapes can make of a text near the limit one beyond it.
  fuzz::require(written.size() > (64U << 10U) || api::parse_from_spec(written) == once,
                "what is read can be written and read again");
  return 0;
}
