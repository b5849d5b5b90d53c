#include "api/registry_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "pki/pki.h"

namespace vk8s::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kHost = "registry.example:5000";
const std::string kAuth = pki::base64_encode("reader:s3cret");

std::string config_with(const char* key, const Json& entry) {
  return base::to_string(
      Json{{"auths", {{"other.example", {{"auth", "b3RoZXI6"}}}, {key, entry}}}});
}

TEST(RegistryAuth, FindsTheRegistryHoweverItIsWritten) {
  for (const char* key :
       {"registry.example:5000", "https://registry.example:5000", "registry.example:5000/",
        "https://registry.example:5000/v1/", "http://registry.example:5000/v2/"}) {
    EXPECT_EQ(registry_auth(config_with(key, {{"auth", kAuth}}), kHost).value_or("none"), kAuth)
        << key;
  }
  for (const char* key : {"registry.example", "registry.example:5001", "registry.example:5000/team",
                          "evil-registry.example:5000", "registry.example:5000.evil"}) {
    const auto auth = registry_auth(config_with(key, {{"auth", kAuth}}), kHost);
    ASSERT_FALSE(auth) << key;
    EXPECT_EQ(auth.error().code(), Errc::kNotFound) << key;
  }
}

TEST(RegistryAuth, TakesUserAndPasswordWhereThereIsNoAuth) {
  const Json pair{{"username", "reader"}, {"password", "s3cret"}};
  EXPECT_EQ(registry_auth(config_with(kHost, pair), kHost).value_or("none"), kAuth);
}

TEST(RegistryAuth, RefusesWhatIsNoneAndRepeatsNothingOfIt) {
  const Json entries[] = {{{"auth", "s3cret"}},
                          {{"auth", pki::base64_encode("s3cret")}},
                          {{"auth", pki::base64_encode(":s3cret")}},
                          {{"auth", kAuth + "\"\n[x]"}},
                          {{"username", "re:ader"}, {"password", "s3cret"}},
                          {{"identitytoken", "s3cret"}},
                          "s3cret"};
  for (const Json& entry : entries) {
    const auto auth = registry_auth(config_with(kHost, entry), kHost);
    ASSERT_FALSE(auth) << base::to_string(entry);
    EXPECT_EQ(auth.error().code(), Errc::kInvalidArgument);
    EXPECT_THAT(auth.error().message(), Not(HasSubstr("cret")));
  }
  for (const char* text : {"", "s3cret", "{}", "[]", R"({"auths": []})"}) {
    const auto auth = registry_auth(text, kHost);
    ASSERT_FALSE(auth);
    EXPECT_THAT(auth.error().message(), Not(HasSubstr("s3cret")));
  }
}

TEST(RegistryAuth, AFileMayEndInALine) {
  EXPECT_EQ(check_registry_auth(kAuth + "\n").value_or("none"), kAuth);
  EXPECT_FALSE(check_registry_auth("\n"));
  EXPECT_FALSE(check_registry_auth(std::string(64U << 10U, 'A')));
}

TEST(RegistryHost, IsWithoutSchemeAndPath) {
  EXPECT_EQ(registry_host("https://registry.example:5000/v2"), kHost);
  EXPECT_EQ(registry_host("registry.example:5000"), kHost);
}

}  // namespace
}  // namespace vk8s::api
