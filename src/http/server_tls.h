// TLS of the server side.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vk8s::http::detail {

using TlsContext = std::shared_ptr<SSL_CTX>;

// TLS 1.2 and 1.3, no tickets, no renegotiation. client_ca_pem "" = client
// certificates are not asked for.
Result<TlsContext> create_server_context(const std::string& certificate_pem,
                                         const std::string& key_pem,
                                         const std::string& client_ca_pem);

// The common name of the client certificate that the handshake has verified, or
// "" if there is none, or if it has not exactly one common name.
std::string verified_common_name(SSL* tls);

}  // namespace vk8s::http::detail
