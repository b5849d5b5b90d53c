// How services of others check a password without having it: bcrypt, of libcrypt. Pure;
// any thread. Nothing of what goes in here comes out in an error.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::pki {

// bcrypt sees no more of a password.
inline constexpr std::size_t kMaxPasswordBytes = 72;
// 2^12 rounds: about a quarter of a second, and what dex and htpasswd take.
inline constexpr int kBcryptCost = 12;

using BcryptSalt = std::array<std::uint8_t, 16>;

// kInvalidArgument, saying why: a password that is empty, longer than kMaxPasswordBytes,
// or has a line break or another control character, which nobody can type.
Status check_password(std::string_view password);

// "$2b$12$...", 60 characters, of a password that check_password() takes.
Result<std::string> bcrypt(const std::string& password, const BcryptSalt& salt,
                           int cost = kBcryptCost);

// HMAC-SHA-256. A key from which others can be made, each for its own purpose.
using DerivedKey = std::array<std::uint8_t, 32>;
DerivedKey derive_key(std::string_view key, std::string_view purpose);

}  // namespace vk8s::pki
