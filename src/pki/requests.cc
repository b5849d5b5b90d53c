#include <openssl/err.h>
#include <openssl/pem.h>

#include "pki/names.h"
#include "pki/openssl.h"
#include "pki/pki.h"

namespace vk8s::pki {
namespace {

constexpr std::size_t kMaxRequestBytes = 16U << 10U;
constexpr std::size_t kMaxNames = 64;

// OpenSSL reads the first list of extensions, other parsers read them all: a
// request with a second one asks for something else there.
bool has_one_extension_list(const X509_REQ* request) {
  const int first = X509_REQ_get_attr_by_NID(request, NID_ext_req, -1);
  if (X509_REQ_get_attr_by_NID(request, NID_ms_ext_req, -1) >= 0) {
    return false;
  }
  return first < 0 || (X509_REQ_get_attr_by_NID(request, NID_ext_req, first) < 0 &&
                       X509_ATTRIBUTE_count(X509_REQ_get_attr(request, first)) == 1);
}

Result<AlternativeNames> requested_names(X509_REQ* request) {
  if (!has_one_extension_list(request)) {
    return fail(Errc::kInvalidArgument, "certificate request: more than one list of extensions");
  }
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
  ERR_clear_error();
  if (!extensions) {
    return AlternativeNames{};
  }
  int found = 0;  // -1: absent, -2: twice, 0 or 1: its criticality or broken
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, &found, nullptr)));
  if (!names && found != -1) {
    return fail_openssl(Errc::kInvalidArgument, "read the alternative names of a request");
  }
  return from_general_names(names.get(), kMaxNames);
}

}  // namespace

Result<CertificateRequestInfo> parse_certificate_request(std::string_view pem) {
  VK8S_TRY(check_single_pem(pem, "CERTIFICATE REQUEST", kMaxRequestBytes));
  const BioPtr bio = VK8S_TRY(reading_bio(pem));
  const RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, refuse_pass_phrase, nullptr));
  if (!request) {
    return fail_openssl(Errc::kInvalidArgument, "read a certificate request from PEM");
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1) {
    return fail_openssl(Errc::kInvalidArgument,
                        "certificate request: its signature is not by its own key");
  }
  AlternativeNames names = VK8S_TRY(requested_names(request.get()));
  Subject subject = VK8S_TRY(from_x509_name(X509_REQ_get_subject_name(request.get())));
  return CertificateRequestInfo{.subject = std::move(subject),
                                .dns_names = std::move(names.dns_names),
                                .ip_addresses = std::move(names.ip_addresses),
                                .other_names = std::move(names.other_names)};
}

}  // namespace vk8s::pki
