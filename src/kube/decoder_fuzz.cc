#include "base/fuzz.h"
#include "kube/decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  static kube::Decoder decoder;
  const std::string_view text = fuzz::text_of(data, size);
  const auto value = decoder.decode(text);
  const auto lean = decoder.decode(text, {.omit_managed_fields = true});
  fuzz::require(value.has_value() == lean.has_value(), "what is left out does not decide");
  if (!value) {
    return 0;
  }
  fuzz::require(fuzz::depth(*value) <= 256, "what is too deep is refused");
  fuzz::require(base::find(*lean, "metadata.managedFields") == nullptr,
                "managed fields are left out");
  // The other reader of JSON, where it takes the text as well.
  if (const auto other = base::parse_json(text)) {
    fuzz::require(fuzz::is_same(*value, *other), "both readers of JSON read the same");
  }
  return 0;
}
