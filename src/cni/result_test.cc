#include "cni/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::cni {
namespace {

const IpamResult kResult{.address = *IpAddress::parse("10.1.200.7"),
                         .prefix_length = 16,
                         .gateway = *IpAddress::parse("10.1.5.1"),
                         .routes = {JsonObject{{"dst", "0.0.0.0/0"}}}};

TEST(Result, HasTheShapeOfItsVersion) {
  EXPECT_EQ(to_string(kResult, "0.4.0"),
            R"({"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.200.7/16",)"
            R"("gateway":"10.1.5.1"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{}})"
            "\n");
  for (const char* version : {"1.0.0", "1.1.0"}) {
    EXPECT_EQ(to_string(kResult, version),
              std::string(R"({"cniVersion":")") + version +
                  R"(","ips":[{"address":"10.1.200.7/16","gateway":"10.1.5.1"}],)"
                  R"("routes":[{"dst":"0.0.0.0/0"}],"dns":{}})"
                  "\n");
  }
}

TEST(Result, SaysTheFamilyWhereTheVersionAsksForIt) {
  const IpamResult v6{.address = *IpAddress::parse("fd00::7"),
                      .prefix_length = 64,
                      .gateway = *IpAddress::parse("fd00::1")};
  EXPECT_THAT(to_string(v6, "0.4.0"), testing::HasSubstr(R"("version":"6")"));
}

TEST(Result, ShowsErrorsOfOthersWithoutTheirControlCharacters) {
  EXPECT_EQ(error_result("1.0.0", ErrorCode::kTryAgain, "no \x1b[2J"),
            R"({"cniVersion":"1.0.0","code":11,"msg":"no ?[2J"})"
            "\n");
  EXPECT_LT(error_result("1.0.0", ErrorCode::kIo, std::string(10'000, 'a')).size(), 2200U);
}

TEST(Result, AnswersInAVersionThatItKnows) {
  EXPECT_EQ(error_result("7.0.0", ErrorCode::kIncompatibleVersion, "no"),
            R"({"cniVersion":"1.1.0","code":1,"msg":"no"})"
            "\n");
  EXPECT_EQ(version_result("1.0.0"),
            R"({"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]})"
            "\n");
}

TEST(Result, CallsWhatMayPassByTheCodeThatSaysSo) {
  EXPECT_EQ(error_code(Error(Errc::kForbidden, "")), ErrorCode::kTryAgain);
  EXPECT_EQ(error_code(Error(Errc::kUnavailable, "")), ErrorCode::kTryAgain);
  EXPECT_EQ(error_code(Error(Errc::kInvalidArgument, "")), ErrorCode::kInvalidConfig);
  EXPECT_EQ(error_code(Error(Errc::kUnsupported, "")), ErrorCode::kIncompatibleVersion);
  EXPECT_EQ(error_code(Error(Errc::kIo, "")), ErrorCode::kIo);
}

}  // namespace
}  // namespace vk8s::cni
