#include "base/fuzz.h"
#include "base/text.h"
#include "host/runc.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  const auto status = host::parse_runc_state(text);
  fuzz::require(!status || status->pid >= 0, "a process is one: a negative number is a group");
  const std::string message = host::last_runc_message(text);
  fuzz::require(message.size() <= 1000 && base::printable(message) == message,
                "a message may be shown");
  return 0;
}
