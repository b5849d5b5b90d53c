#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "base/text.h"
#include "pki/openssl.h"
#include "pki/pki.h"

namespace vk8s::pki {
namespace {
constexpr std::size_t kMaxPemBytes = 64U << 10U;
}  // namespace

tl::unexpected<Error> fail_openssl(Errc code, std::string_view what) {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  if (first == 0) {
    return fail(code, "{}", what);
  }
  std::array<char, 256> reason{};
  ERR_error_string_n(first, reason.data(), reason.size());
  return fail(code, "{}: {}", what, reason.data());
}

Result<BioPtr> memory_bio() {
  BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio) {
    return fail_openssl(Errc::kInternal, "make a memory buffer");
  }
  return bio;
}

Result<BioPtr> reading_bio(std::string_view text) {
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) {
    return fail_openssl(Errc::kInternal, "make a memory buffer");
  }
  return bio;
}

std::string content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

int refuse_pass_phrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

Status check_single_pem(std::string_view pem, std::string_view label, std::size_t max_bytes) {
  if (pem.size() > max_bytes) {
    return fail(Errc::kInvalidArgument, "PEM of {} bytes: at most {} are read", pem.size(),
                max_bytes);
  }
  const std::string begin = fmt::format("-----BEGIN {}-----", label);
  const std::string end = fmt::format("-----END {}-----", label);
  const std::string_view block = base::trim(pem);
  const bool once = block.find("-----BEGIN", 1) == std::string_view::npos &&
                    block.find("-----END") + end.size() == block.size();
  if (!block.starts_with(begin) || !block.ends_with(end) || !once) {
    return fail(Errc::kInvalidArgument, "not one PEM block \"{}\"", label);
  }
  return {};
}

Result<KeyPtr> generate_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) {
    return fail_openssl(Errc::kInternal, "generate an ECDSA P-256 key");
  }
  return key;
}

Result<KeyPtr> read_key(std::string_view pem) {
  if (pem.empty() || pem.size() > kMaxPemBytes) {
    return fail(Errc::kInvalidArgument, "a private key in PEM has 1 to {} bytes, not {}",
                kMaxPemBytes, pem.size());
  }
  const BioPtr bio = VK8S_TRY(reading_bio(pem));
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_pass_phrase, nullptr));
  if (!key) {
    return fail_openssl(Errc::kInvalidArgument, "read a private key from PEM");
  }
  return key;
}

Result<std::string> private_pem(EVP_PKEY* key) {
  const BioPtr bio = VK8S_TRY(memory_bio());
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail_openssl(Errc::kInternal, "write a private key as PEM");
  }
  return content(bio.get());
}

Result<std::string> public_pem(EVP_PKEY* key) {
  const BioPtr bio = VK8S_TRY(memory_bio());
  if (PEM_write_bio_PUBKEY(bio.get(), key) != 1) {
    return fail_openssl(Errc::kInternal, "write a public key as PEM");
  }
  return content(bio.get());
}

Result<X509Ptr> read_certificate(std::string_view pem) {
  if (pem.empty() || pem.size() > kMaxPemBytes) {
    return fail(Errc::kInvalidArgument, "a certificate in PEM has 1 to {} bytes, not {}",
                kMaxPemBytes, pem.size());
  }
  const BioPtr bio = VK8S_TRY(reading_bio(pem));
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, refuse_pass_phrase, nullptr));
  if (!certificate) {
    return fail_openssl(Errc::kInvalidArgument, "read a certificate from PEM");
  }
  return certificate;
}

Result<SigningKey> create_signing_key() {
  const KeyPtr key = VK8S_TRY(generate_key());
  SigningKey signing;
  signing.private_pem = VK8S_TRY(private_pem(key.get()));
  signing.public_pem = VK8S_TRY(public_pem(key.get()));
  return signing;
}

bool matches_key(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificate = read_certificate(certificate_pem);
  const auto key = read_key(key_pem);
  const bool matches =
      certificate && key && X509_check_private_key(certificate->get(), key->get()) == 1;
  ERR_clear_error();
  return matches;
}

}  // namespace vk8s::pki
