#include "base/cidr.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace vk8s::base {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }

// Any address, often near the ends of byte ranges.
rc::Gen<IpAddress> any_address() {
  return rc::gen::map(
      rc::gen::pair(rc::gen::arbitrary<bool>(),
                    rc::gen::container<std::vector<std::uint8_t>>(
                        16, rc::gen::element<std::uint8_t>(0, 1, 7, 127, 128, 254, 255))),
      [](const std::pair<bool, std::vector<std::uint8_t>>& pick) {
        std::vector<std::uint8_t> bytes = pick.second;
        if (pick.first) {
          bytes.resize(4);
        } else {
          bytes[0] = 0xFD;  // never IPv4-mapped
        }
        return IpAddress::from_bytes(bytes).value();
      });
}

Cidr any_block(const IpAddress& address) {
  return Cidr::around(address, *rc::gen::inRange(0, address.bits() + 1)).value();
}

// The model: a block as the bits of its prefix.
std::string prefix_bits(const IpAddress& address, int length) {
  std::string bits(address.is_v4() ? "4" : "6");
  for (int i = 0; i < length; ++i) {
    const auto byte = address.bytes()[static_cast<std::size_t>(i / 8)];
    bits += ((byte >> (7 - i % 8)) & 1) != 0 ? '1' : '0';
  }
  return bits;
}

TEST(IpAddress, ParsesAndFormatsBothFamilies) {
  EXPECT_EQ(ip("10.0.0.1").to_string(), "10.0.0.1");
  EXPECT_EQ(ip("FD00:0:0::0001").to_string(), "fd00::1");
  EXPECT_TRUE(ip("255.255.255.255").is_v4());
  EXPECT_FALSE(ip("::").is_v4());
  EXPECT_EQ(IpAddress().to_string(), "0.0.0.0");
}

TEST(IpAddress, RefusesOtherSpellings) {
  using namespace std::string_view_literals;
  for (const auto text :
       {""sv, "10.0.0"sv, "10.0.0.01"sv, "010.0.0.1"sv, "10.0.0.256"sv, "10.0.0.1 "sv,
        " 10.0.0.1"sv, "0x0a.0.0.1"sv, "1"sv, "10.0.0.1\0"sv, "::ffff:10.0.0.1"sv, "fe80::1%eth0"sv,
        ":::"sv, "1::2::3"sv, "12345::"sv, "[::1]"sv, "10.0.0.1/8"sv, "localhost"sv}) {
    const auto parsed = IpAddress::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument);
  }
}

TEST(IpAddress, KnowsSpecialAddresses) {
  EXPECT_TRUE(ip("127.1.2.3").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_TRUE(ip("169.254.169.254").is_link_local());
  EXPECT_TRUE(ip("febf::1").is_link_local());
  EXPECT_FALSE(ip("fec0::1").is_link_local());
  EXPECT_TRUE(ip("239.0.0.1").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(ip("::").is_unspecified());
  EXPECT_FALSE(ip("10.0.0.1").is_unspecified());
}

TEST(IpAddress, CountsAcrossBytesAndStopsAtTheLast) {
  EXPECT_EQ(ip("10.0.0.255").plus(1).value(), ip("10.0.1.0"));
  EXPECT_EQ(ip("10.255.255.255").plus(1).value(), ip("11.0.0.0"));
  EXPECT_EQ(ip("fd00::ffff:ffff:ffff:ffff").plus(1).value(), ip("fd00:0:0:1::"));
  EXPECT_EQ(ip("255.255.255.255").plus(1).error().code(), Errc::kExhausted);
  EXPECT_EQ(ip("0.0.0.0").plus(1ULL << 32U).error().code(), Errc::kExhausted);
}

TEST(Cidr, ParsesAndFormats) {
  EXPECT_EQ(cidr("100.72.0.0/16").to_string(), "100.72.0.0/16");
  EXPECT_EQ(cidr("0.0.0.0/0").last(), ip("255.255.255.255"));
  EXPECT_EQ(cidr("fd00::/48").last(), ip("fd00:0:0:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(cidr("10.1.2.3/32").size(), 1U);
}

TEST(Cidr, RefusesWhatIsNoBlock) {
  for (const char* text :
       {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
        "10.0.0.0/8 ", "10.0.0.0/+8", "10.0.0.0/8/8", "fd00::/129", "10.0.0.0/99999999999"}) {
    const auto parsed = Cidr::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument);
  }
}

TEST(Cidr, RefusesHostBitsAndSaysWhatToWrite) {
  EXPECT_NE(Cidr::parse("10.0.3.1/16").error().message().find("write 10.0.0.0/16"),
            std::string::npos);
}

TEST(Cidr, FamiliesNeverMeet) {
  EXPECT_FALSE(cidr("0.0.0.0/0").contains(ip("::")));
  EXPECT_FALSE(cidr("::/0").overlaps(cidr("0.0.0.0/0")));
}

TEST(Cidr, NthAndSubnetStayInside) {
  const Cidr block = cidr("10.96.0.0/12");
  EXPECT_EQ(block.nth(1).value(), ip("10.96.0.1"));
  EXPECT_EQ(block.nth(10).value(), ip("10.96.0.10"));
  EXPECT_EQ(block.nth(block.size() - 1).value(), block.last());
  EXPECT_EQ(block.nth(block.size()).error().code(), Errc::kExhausted);
  EXPECT_EQ(cidr("100.72.0.0/16").subnet(24, 3).value(), cidr("100.72.3.0/24"));
  EXPECT_EQ(cidr("100.72.0.0/16").subnet(24, 256).error().code(), Errc::kExhausted);
  EXPECT_EQ(cidr("100.72.0.0/16").subnet(8, 0).error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(cidr("fd00::/48").subnet(64, 0xABCD).value(), cidr("fd00:0:0:abcd::/64"));
  EXPECT_EQ(cidr("::/0").subnet(128, 5).value(), cidr("::5/128"));
}

RC_GTEST_PROP(IpAddress, SurvivesTheRoundTrip, ()) {
  const IpAddress address = *any_address();
  RC_ASSERT(IpAddress::parse(address.to_string()).value() == address);
}

RC_GTEST_PROP(IpAddress, AcceptsNoMoreThanTheSystem, (const std::string& text)) {
  std::array<unsigned char, 16> bytes{};
  if (IpAddress::parse(text)) {
    RC_ASSERT(::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
              ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1);
  }
}

RC_GTEST_PROP(Cidr, SurvivesTheRoundTrip, ()) {
  const Cidr block = any_block(*any_address());
  RC_ASSERT(Cidr::parse(block.to_string()).value() == block);
}

RC_GTEST_PROP(Cidr, ContainsAndOverlapsAgreeWithPrefixes, ()) {
  const IpAddress a = *any_address();
  const IpAddress b = *rc::gen::oneOf(any_address(), rc::gen::just(a));
  const Cidr x = any_block(a);
  const Cidr y = any_block(b);
  const std::string bits_x = prefix_bits(x.network(), x.prefix_length());
  const std::string bits_y = prefix_bits(y.network(), y.prefix_length());
  RC_ASSERT(x.contains(y) == bits_y.starts_with(bits_x));
  RC_ASSERT(x.overlaps(y) == (bits_y.starts_with(bits_x) || bits_x.starts_with(bits_y)));
  RC_ASSERT(x.overlaps(y) == y.overlaps(x));
  RC_ASSERT(x.contains(b) == prefix_bits(b, b.bits()).starts_with(bits_x));
}

RC_GTEST_PROP(Cidr, HoldsExactlyFirstToLast, ()) {
  const Cidr block = any_block(*any_address());
  const IpAddress address = *any_address();
  RC_ASSERT(block.contains(block.network()));
  RC_ASSERT(block.contains(block.last()));
  const bool between =
      address.is_v4() == block.is_v4() && block.network() <= address && address <= block.last();
  RC_ASSERT(block.contains(address) == between);
  if (const auto beyond = block.last().plus(1)) {
    RC_ASSERT(!block.contains(*beyond));
  }
}

RC_GTEST_PROP(Cidr, NthIsContainedAndAscends, (std::uint64_t i)) {
  const Cidr block = any_block(*any_address());
  const std::uint64_t index = i % block.size();
  const IpAddress at = block.nth(index).value();
  RC_ASSERT(block.contains(at));
  RC_ASSERT(at == block.network().plus(index).value());
  if (index > 0) {
    RC_ASSERT(block.nth(index - 1).value() < at);
  }
}

RC_GTEST_PROP(Cidr, SubnetsTileTheBlock, (std::uint64_t i)) {
  const Cidr block = any_block(*any_address());
  const int length = *rc::gen::inRange(
      block.prefix_length(), std::min(block.prefix_length() + 20, block.network().bits()) + 1);
  const std::uint64_t count = std::uint64_t{1}
                              << static_cast<unsigned>(length - block.prefix_length());
  const std::uint64_t index = i % count;
  const Cidr subnet = block.subnet(length, index).value();
  RC_ASSERT(block.contains(subnet));
  if (index + 1 < count) {
    RC_ASSERT(block.subnet(length, index + 1).value().network() == subnet.last().plus(1).value());
  } else {
    RC_ASSERT(subnet.last() == block.last());
  }
}

}  // namespace
}  // namespace vk8s::base
