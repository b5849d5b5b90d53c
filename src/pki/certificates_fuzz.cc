#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"
#include "pki/fuzz_pem.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return vk8s::fuzz::mutate_pem("CERTIFICATE", data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view pem = fuzz::text_of(data, size);
  const auto info = pki::parse_certificate(pem);
  fuzz::require(!pki::matches_key(pem, pem), "a certificate is no key");
  if (!info) {
    return 0;
  }
  fuzz::require(base::printable(info->subject.common_name) == info->subject.common_name,
                "a subject is safe to show");
  for (const std::string& name : info->dns_names) {
    fuzz::require(base::is_certificate_dns_name(name), "a DNS name is one");
  }
  for (const std::string& address : info->ip_addresses) {
    fuzz::require(IpAddress::parse(address).has_value(), "an address is one");
  }
  fuzz::require(!info->is_ca || (!info->server && !info->client), "a CA is no leaf");
  pki::renewal_time(*info);
  pki::is_signed_by(pem, pem);
  return 0;
}
