#include "base/ip_range.h"

#include <gtest/gtest.h>

#include <limits>

namespace vk8s::base {
namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
IpRange range(std::string_view text) { return *IpRange::parse(text); }

IpRangeSet set_of(const std::vector<std::string>& texts) {
  IpRangeSet out;
  for (const std::string& text : texts) {
    out.add(range(text));
  }
  return out;
}

std::string text_of(const IpRangeSet& set) {
  std::string out;
  for (const IpRange& each : set.ranges()) {
    out += (out.empty() ? "" : " ") + each.to_string();
  }
  return out;
}

TEST(IpRange, ReadsBlocksRangesAndSingleAddresses) {
  EXPECT_EQ(range("10.1.0.0/30").to_string(), "10.1.0.0-10.1.0.3");
  EXPECT_EQ(range("10.1.0.5-10.1.0.9").size(), 5U);
  EXPECT_EQ(range("fd00::7").to_string(), "fd00::7");
  EXPECT_EQ(range("fd00::/64").size(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(range("fd00::/65").size(), std::uint64_t{1} << 63U);
}

TEST(IpRange, RefusesWhatIsNoRange) {
  for (const char* text :
       {"", "-", "10.1.0.9-10.1.0.5", "10.1.0.1-fd00::1", "10.1.0.1/24", "::ffff:10.0.0.1", "::/80",
        "::/0", "::1-fd00::", "10.1.0.1-", "10.1.0.1 - 10.1.0.2", "10.01.0.1"}) {
    const auto parsed = IpRange::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument) << text;
  }
}

TEST(IpRange, CountsFromItsFirstAddress) {
  const IpRange block = range("10.1.0.250-10.1.1.5");
  EXPECT_EQ(block.nth(0)->to_string(), "10.1.0.250");
  EXPECT_EQ(block.nth(6)->to_string(), "10.1.1.0");
  EXPECT_EQ(block.nth(12).error().code(), Errc::kExhausted);
  EXPECT_EQ(block.index_of(ip("10.1.1.5")), 11U);
  EXPECT_EQ(block.index_of(ip("10.1.1.6")), std::nullopt);
  EXPECT_EQ(block.index_of(ip("fd00::1")), std::nullopt);
  EXPECT_EQ(range("255.255.255.250-255.255.255.255").nth(6).error().code(), Errc::kExhausted);
}

TEST(IpRangeSet, JoinsWhatOverlapsOrTouches) {
  EXPECT_EQ(text_of(set_of({"10.1.0.8-10.1.0.9", "10.1.0.0-10.1.0.3", "10.1.0.4-10.1.0.7"})),
            "10.1.0.0-10.1.0.9");
  EXPECT_EQ(text_of(set_of({"10.1.0.0-10.1.0.3", "10.1.0.5"})), "10.1.0.0-10.1.0.3 10.1.0.5");
  EXPECT_EQ(text_of(set_of({"fd00::1", "10.1.0.1"})), "10.1.0.1 fd00::1");
  // The last of IPv4 does not touch the first of IPv6.
  EXPECT_EQ(text_of(set_of({"255.255.255.255", "::"})), "255.255.255.255 ::");
}

TEST(IpRangeSet, CutsHoles) {
  IpRangeSet set = set_of({"10.1.0.0/28"});
  set.remove(range("10.1.0.0"));
  set.remove(range("10.1.0.4-10.1.0.6"));
  set.remove(range("10.1.0.15-10.1.0.99"));
  EXPECT_EQ(text_of(set), "10.1.0.1-10.1.0.3 10.1.0.7-10.1.0.14");
  EXPECT_EQ(set.size(), 11U);
  EXPECT_TRUE(set.contains(ip("10.1.0.14")));
  EXPECT_FALSE(set.contains(ip("10.1.0.5")));
  set.remove(range("0.0.0.0/0"));
  EXPECT_TRUE(set.empty());
}

TEST(IpRangeSet, CountsOverItsHoles) {
  const IpRangeSet set = set_of({"10.1.0.1-10.1.0.3", "10.1.0.7-10.1.0.14", "fd00::/64"});
  for (std::uint64_t index = 0; index < 20; ++index) {
    EXPECT_EQ(set.index_of(*set.nth(index)), index);
  }
  EXPECT_EQ(set.nth(3)->to_string(), "10.1.0.7");
  EXPECT_EQ(set.nth(11)->to_string(), "fd00::");
  EXPECT_EQ(set.size(), std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace vk8s::base
