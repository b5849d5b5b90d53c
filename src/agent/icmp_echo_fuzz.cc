#include "agent/icmp_echo.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto reply = agent::parse_echo_reply({data, size});
  fuzz::require(!reply || reply->packet_bytes == size, "an answer is as long as its packet");
  if (reply) {
    fuzz::require(agent::echo_request(reply->echo, size).size() + 20 == size,
                  "what is read can be asked");
  }
  return 0;
}
