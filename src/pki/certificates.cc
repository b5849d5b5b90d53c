#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/wall_time.h"
#include "pki/names.h"
#include "pki/openssl.h"
#include "pki/pki.h"

namespace vk8s::pki {
namespace {

// Clocks of machines differ: a certificate is valid from a little earlier.
constexpr auto kClockSkew = std::chrono::minutes(5);
constexpr std::size_t kMaxNames = 1024;

// A century: beyond it times of the system's clock overflow.
constexpr auto kMaxLifetime = std::chrono::hours(24 * 36525);

Status check_lifetime(const Subject& subject, std::chrono::hours lifetime) {
  if (lifetime <= std::chrono::hours(0) || lifetime > kMaxLifetime) {
    return fail(Errc::kInvalidArgument, "certificate \"{}\": a lifetime of {} h: it is 1 to {} h",
                subject.common_name, lifetime.count(), kMaxLifetime.count());
  }
  return {};
}

WallTime now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// 126 random bits, so never negative and never twice (RFC 5280 4.1.2.2).
Status set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return fail_openssl(Errc::kInternal, "make a serial number");
  }
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x3FU) | 0x40U);
  const BignumPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
    return fail_openssl(Errc::kInternal, "set a serial number");
  }
  return {};
}

Status set_validity(X509* certificate, WallTime not_before, WallTime not_after) {
  const auto set = [](ASN1_TIME* field, WallTime time) {
    return ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr;
  };
  if (!set(X509_getm_notBefore(certificate), not_before) ||
      !set(X509_getm_notAfter(certificate), not_after)) {
    return fail_openssl(Errc::kInternal, "set the validity of a certificate");
  }
  return {};
}

// value is of this file, never of a caller: this syntax has references to files.
Status add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return fail_openssl(Errc::kInternal,
                        fmt::format("set the extension {} of a certificate", OBJ_nid2sn(nid)));
  }
  return {};
}

Result<X509Ptr> start_certificate(const Subject& subject, EVP_PKEY* key) {
  X509Ptr certificate(X509_new());
  const NamePtr name = VK8S_TRY(to_x509_name(subject));
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_subject_name(certificate.get(), name.get()) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return fail_openssl(Errc::kInternal, "make a certificate");
  }
  VK8S_TRY(set_serial(certificate.get()));
  return certificate;
}

Result<KeyPair> sign_and_write(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) {
    return fail_openssl(Errc::kInternal, "sign a certificate");
  }
  const BioPtr bio = VK8S_TRY(memory_bio());
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return fail_openssl(Errc::kInternal, "write a certificate as PEM");
  }
  KeyPair pair;
  pair.certificate_pem = content(bio.get());
  pair.key_pem = VK8S_TRY(private_pem(key));
  return pair;
}

Result<WallTime> to_wall_time(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) {
    return fail_openssl(Errc::kInvalidArgument, "read the validity of a certificate");
  }
  const std::time_t seconds = ::timegm(&fields);
  // What a WallTime holds ends in 2262; "no expiry" is the year 9999 (RFC 5280 4.1.2.5).
  constexpr std::time_t kLast = 9'000'000'000;
  if (seconds < 0) {
    return WallTime();
  }
  return std::chrono::system_clock::from_time_t(seconds < kLast ? seconds : kLast);
}

struct Authority {
  X509Ptr certificate;
  KeyPtr key;
  WallTime not_before;
  WallTime not_after;
};

Result<Authority> read_authority(const KeyPair& ca) {
  Authority authority;
  authority.certificate = VK8S_TRY(read_certificate(ca.certificate_pem));
  authority.key = VK8S_TRY(read_key(ca.key_pem));
  X509* certificate = authority.certificate.get();
  if (X509_check_private_key(certificate, authority.key.get()) != 1) {
    return fail_openssl(Errc::kInvalidArgument, "the CA's key is not the one of its certificate");
  }
  if (X509_check_ca(certificate) != 1) {
    return fail(Errc::kInvalidArgument, "the certificate to sign with is not a CA's");
  }
  authority.not_before = VK8S_TRY(to_wall_time(X509_get0_notBefore(certificate)));
  authority.not_after = VK8S_TRY(to_wall_time(X509_get0_notAfter(certificate)));
  if (authority.not_after <= now()) {
    return fail(Errc::kInvalidArgument, "the CA expired on {}: it must be replaced",
                base::format_time(authority.not_after));
  }
  return authority;
}

Status add_leaf_extensions(X509* certificate, X509* issuer, const LeafRequest& request) {
  VK8S_TRY(add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE"));
  VK8S_TRY(add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature"));
  const char* usage = request.server && request.client ? "serverAuth,clientAuth"
                      : request.server                 ? "serverAuth"
                                                       : "clientAuth";
  VK8S_TRY(add_extension(certificate, issuer, NID_ext_key_usage, usage));
  VK8S_TRY(add_extension(certificate, issuer, NID_subject_key_identifier, "hash"));
  VK8S_TRY(add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always"));
  if (request.dns_names.empty() && request.ip_addresses.empty()) {
    return {};
  }
  const GeneralNamesPtr names = VK8S_TRY(to_general_names(request.dns_names, request.ip_addresses));
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) !=
      1) {
    return fail_openssl(Errc::kInternal, "set the alternative names of a certificate");
  }
  return {};
}

Status check_request(const LeafRequest& request) {
  VK8S_TRY(check_lifetime(request.subject, request.lifetime));
  if (!request.server && !request.client) {
    return fail(Errc::kInvalidArgument, "certificate \"{}\": it is for a server, a client or both",
                request.subject.common_name);
  }
  if (request.dns_names.size() + request.ip_addresses.size() > kMaxNames) {
    return fail(Errc::kInvalidArgument, "certificate \"{}\": more than {} alternative names",
                request.subject.common_name, kMaxNames);
  }
  return {};
}

}  // namespace

Result<KeyPair> create_ca(const Subject& subject, std::chrono::hours lifetime) {
  VK8S_TRY(check_lifetime(subject, lifetime));
  const KeyPtr key = VK8S_TRY(generate_key());
  const X509Ptr certificate = VK8S_TRY(start_certificate(subject, key.get()));
  X509* ca = certificate.get();
  if (X509_set_issuer_name(ca, X509_get_subject_name(ca)) != 1) {
    return fail_openssl(Errc::kInternal, "set the issuer of a CA");
  }
  VK8S_TRY(set_validity(ca, now() - kClockSkew, now() + lifetime));
  VK8S_TRY(add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  VK8S_TRY(add_extension(ca, ca, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign"));
  VK8S_TRY(add_extension(ca, ca, NID_subject_key_identifier, "hash"));
  VK8S_TRY(add_extension(ca, ca, NID_authority_key_identifier, "keyid:always"));
  return sign_and_write(ca, key.get(), key.get());
}

Result<KeyPair> issue(const KeyPair& ca, const LeafRequest& request) {
  VK8S_TRY(check_request(request));
  const Authority authority = VK8S_TRY(read_authority(ca));
  X509* issuer = authority.certificate.get();
  const KeyPtr key = VK8S_TRY(generate_key());
  const X509Ptr certificate = VK8S_TRY(start_certificate(request.subject, key.get()));
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) != 1) {
    return fail_openssl(Errc::kInternal, "set the issuer of a certificate");
  }
  const WallTime not_before = std::max(now() - kClockSkew, authority.not_before);
  const WallTime not_after = std::min(now() + request.lifetime, authority.not_after);
  VK8S_TRY(set_validity(certificate.get(), not_before, not_after));
  VK8S_TRY_CONTEXT(add_leaf_extensions(certificate.get(), issuer, request), "certificate \"{}\"",
                   request.subject.common_name);
  return sign_and_write(certificate.get(), key.get(), authority.key.get());
}

Result<CertificateInfo> parse_certificate(std::string_view pem) {
  const X509Ptr certificate = VK8S_TRY(read_certificate(pem));
  CertificateInfo info;
  info.subject = VK8S_TRY(from_x509_name(X509_get_subject_name(certificate.get())));
  info.not_before = VK8S_TRY(to_wall_time(X509_get0_notBefore(certificate.get())));
  info.not_after = VK8S_TRY(to_wall_time(X509_get0_notAfter(certificate.get())));
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  AlternativeNames alternatives = VK8S_TRY(from_general_names(names.get(), kMaxNames));
  info.dns_names = std::move(alternatives.dns_names);
  info.ip_addresses = std::move(alternatives.ip_addresses);
  info.is_ca = X509_check_ca(certificate.get()) == 1;
  // Without the extension every use is allowed: UINT32_MAX.
  const std::uint32_t usage = X509_get_extended_key_usage(certificate.get());
  info.server = !info.is_ca && (usage & XKU_SSL_SERVER) != 0;
  info.client = !info.is_ca && (usage & XKU_SSL_CLIENT) != 0;
  ERR_clear_error();
  return info;
}

bool is_signed_by(std::string_view certificate_pem, std::string_view ca_certificate_pem) {
  const auto certificate = read_certificate(certificate_pem);
  const auto ca = read_certificate(ca_certificate_pem);
  const bool is_signed = certificate && ca &&
                         X509_check_issued(ca->get(), certificate->get()) == X509_V_OK &&
                         X509_verify(certificate->get(), X509_get0_pubkey(ca->get())) == 1;
  ERR_clear_error();
  return is_signed;
}

WallTime renewal_time(const CertificateInfo& info) {
  return info.not_before + (info.not_after - info.not_before) / 3 * 2;
}

}  // namespace vk8s::pki
