#include "addons/registry_challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;

TEST(BearerChallengeTest, IsTakenOutOfTheHeader) {
  const BearerChallenge wanted{.realm = "https://auth.example/token",
                               .service = "registry.example",
                               .scope = "repository:vk8s/addon:pull,push"};
  EXPECT_EQ(parse_bearer_challenge(
                R"(Bearer realm="https://auth.example/token",service="registry.example",)"
                R"(scope="repository:vk8s/addon:pull,push")"),
            wanted);
  // Other schemes beside it, names in any case, space where it may be, no quotes.
  EXPECT_EQ(parse_bearer_challenge(
                R"(Negotiate YWJj==, Basic realm="a \"Bearer\" b", )"
                R"(bearer Realm = "https://auth.example/token" , SERVICE=registry.example,)"
                R"( error="x", scope="repository:vk8s/addon:pull,push", Digest realm="https://d")"),
            wanted);
}

TEST(BearerChallengeTest, IsNotThere) {
  for (const char* header :
       {"", "Basic realm=\"https://registry.example\"", "Bearer", "Bearer service=\"a\"",
        "Bearer realm=\"https://auth.example", "Bearer realm=\"/token\"",
        "Bearer realm=\"ftp://auth.example/\"", "Bearer realm=\"https://auth.example/ token\"",
        "Bearer ;", "=, Bearer realm=\"https://auth.example\""}) {
    EXPECT_FALSE(parse_bearer_challenge(header)) << header;
  }
  const std::string longest(8U << 10U, 'a');
  EXPECT_FALSE(parse_bearer_challenge("Bearer realm=\"https://" + longest + "\""));
}

TEST(BearerChallengeTest, SaysWhereTheTokenIs) {
  EXPECT_EQ(token_url({.realm = "https://auth.example/token",
                       .service = "a registry&x=y",
                       .scope = "repository:vk8s/addon:pull"}),
            "https://auth.example/token?service=a%20registry%26x%3Dy"
            "&scope=repository:vk8s/addon:pull");
  EXPECT_EQ(token_url({.realm = "https://auth.example/?a=b", .service = "", .scope = "s"}),
            "https://auth.example/?a=b&scope=s");
  EXPECT_EQ(token_url({.realm = "https://auth.example", .service = "", .scope = ""}),
            "https://auth.example");
}

TEST(TokenTest, HasEitherName) {
  EXPECT_EQ(parse_token(R"({"token":"a.b-c","access_token":"d"})").value(), "a.b-c");
  EXPECT_EQ(parse_token(R"({"token":"","access_token":"d"})").value(), "d");
}

TEST(TokenTest, IsRefusedWhereItCannotBeSent) {
  const auto error = [](std::string_view json) { return parse_token(json).error().message(); };
  EXPECT_THAT(error("{}"), HasSubstr("neither token nor access_token"));
  EXPECT_THAT(error(R"({"token":7})"), HasSubstr("neither token nor access_token"));
  EXPECT_THAT(error(R"({"token":"a\r\nX: y"})"), HasSubstr("not one that can be sent"));
  EXPECT_THAT(error(R"({"token":")" + std::string(65U << 10U, 'a') + "\"}"),
              HasSubstr("not one that can be sent"));
  EXPECT_FALSE(parse_token("<html>"));
}

TEST(RedirectTest, LeadsToAnAddressOrAPath) {
  const auto target = [](std::string_view location) {
    return redirect_target("https://registry.example:5000/v2/a/blobs/b?c", location).value_or("");
  };
  EXPECT_EQ(target("https://storage.example/x?signature=y"),
            "https://storage.example/x?signature=y");
  EXPECT_EQ(target("/x/y"), "https://registry.example:5000/x/y");
  for (const char* location : {"", "x/y", "//storage.example/x", "ftp://storage.example/x",
                               "https:///x", "https://storage.example/x y", "file:///etc/passwd"}) {
    EXPECT_EQ(target(location), "") << location;
  }
  EXPECT_EQ(target("https://storage.example/" + std::string(8U << 10U, 'a')), "");
}

TEST(RedirectTest, KnowsWhereAURLBelongs) {
  EXPECT_EQ(origin_of("https://registry.example:5000/v2/"), "https://registry.example:5000");
  EXPECT_EQ(origin_of("http://127.0.0.1"), "http://127.0.0.1");
  // A backslash is a path's beginning to some.
  EXPECT_EQ(origin_of("https://registry.example\\@evil.example/"), "https://registry.example");
  EXPECT_EQ(origin_of("https://"), "");
  EXPECT_EQ(origin_of("registry.example"), "");
}

}  // namespace
}  // namespace vk8s::addons
