#include "agent/node_setup.h"
#include "base/cidr.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  const auto servers = agent::parse_name_servers(text);
  fuzz::require(servers.size() <= 3, "name servers are few");
  for (const std::string& server : servers) {
    const auto address = IpAddress::parse(server);
    fuzz::require(address && !address->is_loopback(), "name servers are addresses of others");
  }
  const auto memory = agent::parse_memory_total(text);
  fuzz::require(!memory || *memory >= 0, "memory is not negative");
  return 0;
}
