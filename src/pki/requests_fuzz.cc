#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"
#include "pki/fuzz_pem.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace vk8s;
  return fuzz::mutate_pem("CERTIFICATE REQUEST", data, size, max_size, seed, fuzz::sign_request);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto info = pki::parse_certificate_request(fuzz::text_of(data, size));
  if (!info) {
    return 0;
  }
  fuzz::require(size <= 16U << 10U, "what is longer than the limit is refused");
  fuzz::require(info->dns_names.size() + info->ip_addresses.size() + info->other_names.size() <= 64,
                "too many names are refused");
  fuzz::require(base::printable(info->subject.common_name) == info->subject.common_name,
                "a subject is safe to show");
  for (const std::string& name : info->dns_names) {
    fuzz::require(base::is_certificate_dns_name(name), "a DNS name is one");
  }
  for (const std::string& address : info->ip_addresses) {
    fuzz::require(IpAddress::parse(address).has_value(), "an address is one");
  }
  for (const std::string& name : info->other_names) {
    fuzz::require(base::printable(name) == name, "any other name is safe to show");
  }
  return 0;
}
