#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "pki/pki.h"

namespace vk8s::pki {
namespace {

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foo"), "Zm9v");
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64_encode("\xFB\xFF\xBF"), "+/+/");
}

TEST(Base64, IgnoresLineBreaksAsGoDoes) {
  EXPECT_EQ(base64_decode("Zm9v\r\nYmFy\n").value(), "foobar");
}

TEST(Base64, RefusesEveryOtherSpelling) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=",
                           "====", "Zg==Zg==", "Zm 9v", "Zm9v!", "Zm-_", "Z===", "Zg=a"}) {
    const auto bytes = base64_decode(text);
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(bytes.error().code(), Errc::kInvalidArgument);
  }
}

RC_GTEST_PROP(Base64, SurvivesTheRoundTrip, (const std::string& bytes)) {
  RC_ASSERT(base64_decode(base64_encode(bytes)).value() == bytes);
}

RC_GTEST_PROP(Base64, WhatDecodesIsCanonical, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::element('A', 'Q', 'g', '/', '='));
  if (const auto bytes = base64_decode(text)) {
    RC_ASSERT(base64_encode(*bytes) == text);
  }
}

}  // namespace
}  // namespace vk8s::pki
