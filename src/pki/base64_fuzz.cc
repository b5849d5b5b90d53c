#include "base/fuzz.h"
#include "pki/pki.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  const auto encoded = pki::base64_encode(text);
  fuzz::require(pki::base64_decode(encoded).value() == text, "bytes survive the round trip");
  if (const auto decoded = pki::base64_decode(text)) {
    std::string without_ends(text);
    std::erase_if(without_ends, [](char c) { return c == '\n' || c == '\r'; });
    fuzz::require(pki::base64_encode(*decoded) == without_ends, "there is one text for each");
  }
  return 0;
}
