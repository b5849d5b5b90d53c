#include "base/fuzz.h"
#include "cni/ipam_protocol.h"

// The input is a line that either side may get.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view line = fuzz::text_of(data, size);
  if (const auto request = cni::parse_claim_request(line)) {
    const std::string written = cni::to_line(*request);
    fuzz::require(written.find('\n') == written.size() - 1, "a request is one line");
    const auto again = cni::parse_claim_request(written.substr(0, written.size() - 1));
    fuzz::require(again && *again == *request, "a request survives the round trip");
  }
  if (const auto answer = cni::parse_claim_answer(line)) {
    const std::string written = cni::to_line(*answer);
    fuzz::require(written.find('\n') == written.size() - 1 && written.size() <= cni::kMaxLineBytes,
                  "an answer is one line that is taken");
    const auto again = cni::parse_claim_answer(written.substr(0, written.size() - 1));
    fuzz::require(again && *again == *answer, "an answer survives the round trip");
  }
  return 0;
}
