// Owners of OpenSSL's objects, for this module only.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::pki {

template <auto Function>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};

inline void free_name_list(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
inline void free_extensions(STACK_OF(X509_EXTENSION) * list) {
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
inline void free_bytes(unsigned char* bytes) { OPENSSL_free(bytes); }

using BioPtr = std::unique_ptr<BIO, Releaser<BIO_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Releaser<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Releaser<X509_REQ_free>>;
using NamePtr = std::unique_ptr<X509_NAME, Releaser<X509_NAME_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Releaser<BN_free>>;
using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, Releaser<GENERAL_NAME_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Releaser<free_name_list>>;
using Asn1StringPtr = std::unique_ptr<ASN1_STRING, Releaser<ASN1_STRING_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>>;
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), Releaser<free_extensions>>;
using BytesPtr = std::unique_ptr<unsigned char, Releaser<free_bytes>>;

// "<what>: <OpenSSL's first reason>"; empties the thread's error queue.
tl::unexpected<Error> fail_openssl(Errc code, std::string_view what);

// PEM, in memory that is wiped when it is freed. Never asks for a pass phrase.
Result<BioPtr> memory_bio();
Result<BioPtr> reading_bio(std::string_view text);
std::string content(BIO* bio);
int refuse_pass_phrase(char* buffer, int size, int writing, void* data);

// Exactly one PEM block with this label, and nothing but blanks around it: what
// another parser would read from the same text is then the same.
Status check_single_pem(std::string_view pem, std::string_view label, std::size_t max_bytes);

Result<KeyPtr> generate_key();
Result<KeyPtr> read_key(std::string_view pem);
Result<std::string> private_pem(EVP_PKEY* key);
Result<std::string> public_pem(EVP_PKEY* key);
Result<X509Ptr> read_certificate(std::string_view pem);

}  // namespace vk8s::pki
