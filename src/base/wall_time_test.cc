#include "base/wall_time.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace vk8s::base {
namespace {

using namespace std::chrono_literals;

TEST(WallTime, FormatsAsKubernetesDoes) {
  const WallTime time = WallTime(1777627800s) + 123456789ns;
  EXPECT_EQ(format_time(time), "2026-05-01T09:30:00Z");
  EXPECT_EQ(format_micro_time(time), "2026-05-01T09:30:00.123456Z");
  EXPECT_EQ(format_time(WallTime()), "1970-01-01T00:00:00Z");
}

TEST(WallTime, ParsesFractionsAndOffsets) {
  const WallTime time(1777627800s);
  EXPECT_EQ(parse_time("2026-05-01T09:30:00Z").value(), time);
  EXPECT_EQ(parse_time("2026-05-01t11:30:00+02:00").value(), time);
  EXPECT_EQ(parse_time("2026-05-01T00:00:00-09:30").value(), time);
  EXPECT_EQ(parse_time("2026-05-01T09:30:00.25Z").value(), time + 250ms);
  EXPECT_EQ(parse_time("2026-05-01T09:30:00.1234567899Z").value(), time + 123456789ns);
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z").value(), parse_time("2017-01-01T00:00:00Z").value());
}

TEST(WallTime, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2026-05-01", "2026-05-01T09:30:00", "2026-05-01 09:30:00Z", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-05-01T24:00:00Z", "2026-05-01T09:60:00Z",
        "2026-05-01T09:30:00.Z", "2026-05-01T09:30:00Zx", "2026-05-01T09:30:00+24:00",
        "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-05-01T09:30:00+0200"}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code(), Errc::kInvalidArgument);
  }
}

TEST(WallTime, RefusesWhatAnOffsetMovesOutOfItsYears) {
  EXPECT_TRUE(parse_time("1970-01-01T01:00:00+01:00"));
  EXPECT_TRUE(parse_time("2261-12-31T23:59:59Z"));
  for (const char* text :
       {"1970-01-01T00:00:00+01:00", "2261-12-31T23:30:00-01:00", "2261-12-31T23:59:60Z"}) {
    EXPECT_FALSE(parse_time(text)) << text << ": format_time() of it could not be read again";
  }
}

RC_GTEST_PROP(WallTime, SurvivesTheRoundTripToTheMicrosecond, ()) {
  const auto micros = *rc::gen::inRange<std::int64_t>(0, 9'000'000'000'000'000);
  const WallTime time = WallTime(std::chrono::microseconds(micros));
  RC_ASSERT(parse_time(format_micro_time(time)).value() == time);
  RC_ASSERT(parse_time(format_time(time)).value() ==
            std::chrono::floor<std::chrono::seconds>(time));
}

}  // namespace
}  // namespace vk8s::base
