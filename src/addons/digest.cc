#include "addons/digest.h"

#include <openssl/sha.h>

#include <array>

namespace vk8s::addons {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr std::string_view kHexDigits = "0123456789abcdef";

}  // namespace

std::string sha256_digest(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  std::string text(kPrefix);
  for (const unsigned char byte : hash) {
    text.push_back(kHexDigits[byte >> 4U]);
    text.push_back(kHexDigits[byte & 0xfU]);
  }
  return text;
}

bool is_sha256_digest(std::string_view text) {
  return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
         text.find_first_not_of(kHexDigits, kPrefix.size()) == std::string_view::npos;
}

}  // namespace vk8s::addons
