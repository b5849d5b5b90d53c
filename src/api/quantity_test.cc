#include "api/quantity.h"

#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

TEST(Quantity, ReadsPlainAndSuffixedNumbers) {
  EXPECT_EQ(parse_quantity("0").value(), 0);
  EXPECT_EQ(parse_quantity("128974848").value(), 128974848);
  EXPECT_EQ(parse_quantity("4Gi").value(), 4LL << 30);
  EXPECT_EQ(parse_quantity("1.5Gi").value(), 3LL << 29);
  EXPECT_EQ(parse_quantity("20G").value(), 20'000'000'000);
  EXPECT_EQ(parse_quantity("1e3").value(), 1000);
  EXPECT_EQ(parse_quantity("12E2").value(), 1200);
  EXPECT_EQ(parse_quantity("5k").value(), 5000);
}

TEST(Quantity, ReadsThousandths) {
  EXPECT_EQ(parse_quantity_millis("500m").value(), 500);
  EXPECT_EQ(parse_quantity_millis("2").value(), 2000);
  EXPECT_EQ(parse_quantity_millis("0.25").value(), 250);
  EXPECT_EQ(parse_quantity_millis(".5").value(), 500);
}

TEST(Quantity, RoundsUp) {
  EXPECT_EQ(parse_quantity_millis("1n").value(), 1);
  EXPECT_EQ(parse_quantity("1m").value(), 1);
  EXPECT_EQ(parse_quantity("1001m").value(), 2);
}

TEST(Quantity, RefusesWhatIsNone) {
  for (const char* text : {"", ".", "-1", "4gi", "4 Gi", "1e", "1e999", "Gi", "0x10", "1..5",
                           "99999999999999999999999", "9Ei", "1_000"}) {
    EXPECT_FALSE(parse_quantity(text)) << text;
  }
}

TEST(Quantity, RefusesMoreThanItCanCount) {
  EXPECT_TRUE(parse_quantity("7Pi"));
  EXPECT_FALSE(parse_quantity("8Ei"));
  EXPECT_EQ(parse_quantity("8Ei").error().code(), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace vk8s::api
