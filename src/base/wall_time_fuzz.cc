#include "base/fuzz.h"
#include "base/wall_time.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto time = base::parse_time(fuzz::text_of(data, size));
  if (!time) {
    return 0;
  }
  const auto again = base::parse_time(base::format_micro_time(*time));
  fuzz::require(again && *again == std::chrono::floor<std::chrono::microseconds>(*time),
                "a time survives the round trip");
  fuzz::require(base::parse_time(base::format_time(*time)).has_value(),
                "what was written can be read");
  return 0;
}
