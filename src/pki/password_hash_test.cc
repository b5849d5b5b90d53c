#include "pki/password_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace vk8s::pki {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

BcryptSalt counting_salt() {
  BcryptSalt out{};
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

// Made by Python's bcrypt 5.0.0 of the same salt (bytes 0 to 15).
TEST(PasswordHash, IsWhatOthersMakeOfIt) {
  const auto hash = bcrypt("12341234", counting_salt(), 5);
  ASSERT_TRUE(hash) << hash.error().message();
  EXPECT_EQ(*hash, "$2b$05$..CA.uOD/eaGAOmJB.yMBu98brFsa1UZ.pX8Q0aFRtbFT9d6Kgq0K");
}

TEST(PasswordHash, HasTheCostThatIsAsked) {
  const auto hash = bcrypt("a password", counting_salt());
  ASSERT_TRUE(hash);
  EXPECT_THAT(*hash, StartsWith("$2b$12$"));
  EXPECT_EQ(hash->size(), 60U);
}

TEST(PasswordHash, FollowsFromPasswordAndSalt) {
  BcryptSalt other = counting_salt();
  other.back() ^= 1U;
  const auto hash = bcrypt("p", counting_salt(), 4);
  EXPECT_EQ(*hash, *bcrypt("p", counting_salt(), 4));
  EXPECT_NE(*hash, *bcrypt("p", other, 4));
  EXPECT_NE(*hash, *bcrypt("q", counting_salt(), 4));
}

TEST(PasswordHash, RefusesWhatBcryptWouldCut) {
  EXPECT_TRUE(bcrypt(std::string(72, 'x'), counting_salt(), 4));
  const auto longer = bcrypt(std::string(73, 'x'), counting_salt(), 4);
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().message(), HasSubstr("73 bytes: bcrypt takes 72"));
  EXPECT_THAT(bcrypt("", counting_salt(), 4).error().message(), HasSubstr("empty"));
  EXPECT_THAT(bcrypt(std::string("a\0b", 3), counting_salt(), 4).error().message(),
              HasSubstr("control character"));
  EXPECT_FALSE(check_password("of a file\n"));
  EXPECT_TRUE(check_password("pässwörter mit Abstand"));
  EXPECT_THAT(bcrypt("p", counting_salt(), 99).error().message(), HasSubstr("cost 99"));
}

// RFC 4231, test case 2.
TEST(DerivedKeys, AreHmacs) {
  const DerivedKey key = derive_key("Jefe", "what do ya want for nothing?");
  EXPECT_EQ(key[0], 0x5b);
  EXPECT_EQ(key[1], 0xdc);
  EXPECT_EQ(key[31], 0x43);
}

}  // namespace
}  // namespace vk8s::pki
