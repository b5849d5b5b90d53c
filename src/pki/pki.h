// Keys and X.509 certificates: ECDSA P-256, SHA-256, PEM throughout.
//
// Keys are values of PEM text in memory; nothing here touches a disk. Pure but
// for the clock and randomness; any thread. Errors: kInvalidArgument for PEM
// that does not parse, kInternal (with OpenSSL's words) for the rest.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::pki {

using WallTime = std::chrono::system_clock::time_point;

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;  // PKCS#8
};

struct Subject {
  std::string common_name;
  std::vector<std::string> organizations;  // Kubernetes reads them as groups
};

struct LeafRequest {
  Subject subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;  // IPv4 or IPv6 text
  bool server = false;                    // extended key usage serverAuth
  bool client = false;                    // extended key usage clientAuth
  std::chrono::hours lifetime = std::chrono::hours(24 * 365);
};

// A self-signed CA (path length 0), valid from five minutes ago.
Result<KeyPair> create_ca(const Subject& subject,
                          std::chrono::hours lifetime = std::chrono::hours(24 * 3650));

// A new key and its certificate, signed by ca. It never outlives the CA.
Result<KeyPair> issue(const KeyPair& ca, const LeafRequest& request);

// For service-account tokens: a private key and its public half (PKIX), both PEM.
struct SigningKey {
  std::string private_pem;
  std::string public_pem;
};
Result<SigningKey> create_signing_key();

// What a certificate says.
struct CertificateInfo {
  Subject subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  WallTime not_before;
  WallTime not_after;
  bool is_ca = false;
  bool server = false;
  bool client = false;
};
Result<CertificateInfo> parse_certificate(std::string_view pem);

// What a certificate signing request (PKCS#10) asks for; its own signature has
// been verified. Limits: 16 KiB of PEM, 64 names.
struct CertificateRequestInfo {
  Subject subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> other_names;  // e-mail and URI names, for refusal
};
Result<CertificateRequestInfo> parse_certificate_request(std::string_view pem);

// True if the certificate carries this CA's signature and matches the key.
bool is_signed_by(std::string_view certificate_pem, std::string_view ca_certificate_pem);
bool matches_key(std::string_view certificate_pem, std::string_view key_pem);

// When to renew: after two thirds of the certificate's life.
WallTime renewal_time(const CertificateInfo& info);

std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);

}  // namespace vk8s::pki
