#include "api/ip_pool.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto document = base::parse_json(fuzz::text_of(data, size));
  if (!document) {
    return 0;
  }
  const auto pool = api::parse_ip_pool(*document);
  if (!pool) {
    return 0;
  }
  fuzz::require(!pool->name.empty(), "a pool is an object of the API");
  fuzz::require(pool->ranges.size() <= api::kMaxPoolRanges &&
                    pool->exclusions.size() <= api::kMaxPoolExclusions,
                "limits hold");
  const auto is_in = [](const std::vector<std::string>& texts, const IpAddress& address) {
    bool found = false;
    for (const std::string& text : texts) {
      const auto range = IpRange::parse(text);
      fuzz::require(range.has_value(), "ranges are ranges");
      found = found || range->contains(address);
    }
    return found;
  };
  for (const IpRange& range : pool->addresses.ranges()) {
    for (const IpAddress& address : {range.first(), range.last()}) {
      fuzz::require(is_in(pool->ranges, address), "what is given is of a range");
      fuzz::require(!is_in(pool->exclusions, address), "nothing excluded is given");
      fuzz::require(address.to_string() != pool->gateway, "the gateway is not given");
    }
  }
  fuzz::require(!api::is_earlier(*pool, *pool), "no pool is older than itself");
  return 0;
}
