#include "base/fuzz.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  constexpr std::size_t kMaxBytes = 4096;
  const auto value = base::parse_json(text, kMaxBytes);
  if (!value) {
    return 0;
  }
  fuzz::require(size <= kMaxBytes, "what is longer than the limit is refused");
  fuzz::require(fuzz::depth(*value) <= 64, "what is too deep is refused");
  const auto again = base::parse_json(base::to_string(*value));
  fuzz::require(again.has_value(), "what was written can be read");
  fuzz::require(fuzz::is_same(*value, *again), "it is the same");
  base::find(*value, "a.0.b");
  base::get_string(*value, text.substr(0, 16));
  return 0;
}
