// For fuzz targets that read PEM: a changed byte of PEM text is hardly ever a
// changed byte of the document, so these change the DER inside.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/fuzz.h"
#include "pki/openssl.h"
#include "pki/pki.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace vk8s::fuzz {

inline std::string pem_block(std::string_view label, std::string_view der) {
  std::string out = fmt::format("-----BEGIN {}-----\n", label);
  const std::string text = pki::base64_encode(der);
  for (std::size_t at = 0; at < text.size(); at += 64) {
    out += text.substr(at, 64) + "\n";
  }
  return out + fmt::format("-----END {}-----\n", label);
}

// "" where there is no such block.
inline std::string der_of(std::string_view label, std::string_view pem) {
  const std::string begin = fmt::format("-----BEGIN {}-----\n", label);
  const std::size_t at = pem.find(begin);
  const std::size_t end = pem.find("-----END");
  if (at == std::string_view::npos || end == std::string_view::npos || end < at + begin.size()) {
    return {};
  }
  return pki::base64_decode(pem.substr(at + begin.size(), end - at - begin.size())).value_or("");
}

// Signs a certificate request anew, by a key of this process: one that is not
// signed by its own key is refused before its names are read. What is no request
// stays as it is.
inline std::string sign_request(const std::string& der) {
  static const pki::KeyPtr kKey(EVP_EC_gen("P-256"));
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const pki::RequestPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request || X509_REQ_set_pubkey(request.get(), kKey.get()) != 1 ||
      X509_REQ_sign(request.get(), kKey.get(), EVP_sha256()) <= 0) {
    return der;
  }
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_REQ(request.get(), &bytes);
  if (size <= 0) {
    return der;
  }
  const pki::BytesPtr owner(bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

// The body of LLVMFuzzerCustomMutator; `finish` may put the changed DER in order.
inline std::size_t mutate_pem(std::string_view label, std::uint8_t* data, std::size_t size,
                              std::size_t max_size, unsigned seed,
                              std::string (*finish)(const std::string&) = nullptr) {
  std::string der = der_of(label, text_of(data, size));
  if (der.empty() || seed % 8 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  const std::size_t old_size = der.size();
  der.resize(old_size + 64);
  der.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(der.data()), old_size, der.size()));
  const std::string pem = pem_block(label, finish == nullptr ? der : finish(der));
  if (pem.size() > max_size) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  std::memcpy(data, pem.data(), pem.size());
  return pem.size();
}

}  // namespace vk8s::fuzz
