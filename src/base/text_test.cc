#include "base/text.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace vk8s::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Printable, KeepsTextOfAnyLanguage) {
  EXPECT_EQ(printable("pod-1 ready: größe 서울 😀"), "pod-1 ready: größe 서울 😀");
}

TEST(Printable, ReplacesWhatActsOnATerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\n\x7f"), "a?[31mb??");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "?31m");  // C1: CSI
  EXPECT_EQ(printable("\xE2\x80\xAE"
                      "exe"),
            "?exe");  // right-to-left override
  EXPECT_EQ(printable("a\xE2\x80\xA8"
                      "b"),
            "a?b");  // line separator
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
}

TEST(Printable, ReplacesInvalidUtf8ByteByByte) {
  EXPECT_EQ(printable("\xC0\xAF"), "??");            // overlong '/'
  EXPECT_EQ(printable("\xED\xA0\x80"), "???");       // surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "????");  // beyond U+10FFFF
  EXPECT_EQ(printable("\xE2\x82"), "??");            // cut short
}

TEST(Printable, CutsBetweenCharactersNeverInside) {
  EXPECT_EQ(printable("aé", 2), "a");
  EXPECT_EQ(printable("aé", 3), "aé");
  EXPECT_EQ(printable("abc", 0), "");
}

RC_GTEST_PROP(Printable, IsIdempotentBoundedAndShowable, (const std::string& bytes)) {
  const std::string once = printable(bytes, 20);
  RC_ASSERT(once.size() <= 20U);
  RC_ASSERT(printable(once) == once);
  for (std::string_view rest = once; !rest.empty(); rest.remove_prefix(printable_length(rest))) {
    RC_ASSERT(printable_length(rest) > 0U);
  }
}

TEST(Split, KeepsEmptyPartsButGivesNoneForNothing) {
  EXPECT_THAT(split("", ','), IsEmpty());
  EXPECT_THAT(split("a", ','), ElementsAre("a"));
  EXPECT_THAT(split("a,b", ','), ElementsAre("a", "b"));
  EXPECT_THAT(split(",a,,b,", ','), ElementsAre("", "a", "", "b", ""));
  EXPECT_THAT(split(",", ','), ElementsAre("", ""));
}

TEST(Trim, DropsBlanksAtBothEndsOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace vk8s::base
