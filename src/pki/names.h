// Subjects and subject alternative names between our types and OpenSSL's, for
// this module only.
#pragma once

#include <string>
#include <vector>

#include "pki/openssl.h"
#include "pki/pki.h"

namespace vk8s::pki {

// Refuses an empty common name, control characters and more than 64 bytes
// (RFC 5280, ub-common-name and ub-organization-name).
Result<NamePtr> to_x509_name(const Subject& subject);
// Refuses two common names (others read the last, or the first) and text that is
// not printable UTF-8.
Result<Subject> from_x509_name(const X509_NAME* name);

struct AlternativeNames {
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> other_names;
};
Result<GeneralNamesPtr> to_general_names(const std::vector<std::string>& dns_names,
                                         const std::vector<std::string>& ip_addresses);
Result<AlternativeNames> from_general_names(const GENERAL_NAMES* names, std::size_t max_names);

}  // namespace vk8s::pki
