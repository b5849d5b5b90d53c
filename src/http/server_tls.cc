#include "http/server_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/text.h"

namespace vk8s::http::detail {
namespace {

template <class T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* value) const { Free(value); }
};
void free_bio(BIO* bio) { BIO_free(bio); }
using Bio = std::unique_ptr<BIO, Deleter<BIO, free_bio>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;

// An encrypted key is refused; without this OpenSSL would ask on the terminal.
int no_password(char*, int, int, void*) { return -1; }

tl::unexpected<Error> refuse(std::string_view what) {
  char text[256] = "unknown";
  const unsigned long error = ERR_get_error();
  if (error != 0) {
    ERR_error_string_n(error, text, sizeof text);
  }
  ERR_clear_error();
  return fail(Errc::kInvalidArgument, "{}: {}", what, text);
}

Bio memory_bio(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Certificate next_certificate(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, no_password, nullptr));
}

Status use_certificate(SSL_CTX* context, const std::string& certificate_pem,
                       const std::string& key_pem) {
  const Bio chain = memory_bio(certificate_pem);
  const Certificate leaf = next_certificate(chain.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return refuse("server certificate");
  }
  while (Certificate issuer = next_certificate(chain.get())) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) {
      return refuse("server certificate's chain");
    }
  }
  ERR_clear_error();  // the end of the PEM text
  const Bio key_text = memory_bio(key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_password, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return refuse("server key (unencrypted PEM that matches the certificate is needed)");
  }
  return {};
}

Status trust_clients_of(SSL_CTX* context, const std::string& client_ca_pem) {
  const Bio text = memory_bio(client_ca_pem);
  int count = 0;
  while (const Certificate ca = next_certificate(text.get())) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get()) != 1 ||
        SSL_CTX_add_client_CA(context, ca.get()) != 1) {
      return refuse("client CA");
    }
    ++count;
  }
  if (count == 0) {
    return refuse("client CA");
  }
  ERR_clear_error();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return {};
}

}  // namespace

Result<TlsContext> create_server_context(const std::string& certificate_pem,
                                         const std::string& key_pem,
                                         const std::string& client_ca_pem) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) {
    return refuse("TLS context");
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  VK8S_TRY(use_certificate(context.get(), certificate_pem, key_pem));
  if (!client_ca_pem.empty()) {
    VK8S_TRY(trust_clients_of(context.get(), client_ca_pem));
  }
  return context;
}

std::string verified_common_name(SSL* tls) {
  const Certificate certificate(SSL_get1_peer_certificate(tls));
  if (!certificate || SSL_get_verify_result(tls) != X509_V_OK) {
    return {};
  }
  const X509_NAME* subject = X509_get_subject_name(certificate.get());
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
    return {};
  }
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size <= 0) {
    return {};
  }
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  // A name that does not print as it is would be taken for another.
  return base::printable(name, name.size()) == name ? name : std::string();
}

}  // namespace vk8s::http::detail
