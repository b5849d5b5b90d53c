#include "pki/password_hash.h"

#include <crypt.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>

namespace vk8s::pki {
namespace {

constexpr std::string_view kAlphabet =
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// bcrypt's own base64: another alphabet, no padding.
std::string encode(const BcryptSalt& salt) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : salt) {
    bits = (bits << 8U) | byte;
    for (count += 8; count >= 6; count -= 6) {
      out.push_back(kAlphabet[(bits >> static_cast<unsigned>(count - 6)) & 0x3fU]);
    }
  }
  out.push_back(kAlphabet[(bits << static_cast<unsigned>(6 - count)) & 0x3fU]);
  return out;
}

}  // namespace

Status check_password(std::string_view password) {
  if (password.empty()) {
    return fail(Errc::kInvalidArgument, "it is empty");
  }
  if (password.size() > kMaxPasswordBytes) {
    return fail(Errc::kInvalidArgument, "it has {} bytes: bcrypt takes {}", password.size(),
                kMaxPasswordBytes);
  }
  if (std::any_of(password.begin(), password.end(),
                  [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    return fail(Errc::kInvalidArgument,
                "it has a line break or another control character, which nobody can type");
  }
  return {};
}

Result<std::string> bcrypt(const std::string& password, const BcryptSalt& salt, int cost) {
  VK8S_TRY(check_password(password));
  const std::string setting = fmt::format("$2b${:02}${}", cost, encode(salt));
  // 32 KiB, with traces of the password: crypt_r leaves them, so they are wiped.
  const auto data = std::make_unique<::crypt_data>();
  const char* hash = ::crypt_r(password.c_str(), setting.c_str(), data.get());
  std::string out = hash == nullptr ? std::string() : std::string(hash);
  ::explicit_bzero(data.get(), sizeof(*data));
  if (!out.starts_with("$2b$")) {
    return fail(Errc::kInternal, "libcrypt makes no bcrypt hash of cost {}", cost);
  }
  return out;
}

DerivedKey derive_key(std::string_view key, std::string_view purpose) {
  DerivedKey out{};
  unsigned size = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(), out.data(), &size);
  return out;
}

}  // namespace vk8s::pki
