#include "agent/icmp_echo.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vk8s::agent {
namespace {

const Echo kEcho = {.id = 0x1234, .sequence = 7, .token = 0x0102030405060708};

void set_checksum(std::vector<std::uint8_t>& packet, std::size_t header_bytes) {
  std::uint32_t sum = 0;
  packet[header_bytes + 2] = packet[header_bytes + 3] = 0;
  for (std::size_t i = header_bytes; i < packet.size(); ++i) {
    sum += (i - header_bytes) % 2 == 0 ? std::uint32_t{packet[i]} * 256 : std::uint32_t{packet[i]};
  }
  sum = sum % 0xffffU;
  packet[header_bytes + 2] = static_cast<std::uint8_t>((0xffffU - sum) >> 8U);
  packet[header_bytes + 3] = static_cast<std::uint8_t>((0xffffU - sum) & 0xffU);
}

// What the other side's kernel makes of the request, under an IPv4 header.
std::vector<std::uint8_t> answer(std::size_t bytes) {
  std::vector<std::uint8_t> packet(20);
  packet[0] = 0x45;
  packet[2] = static_cast<std::uint8_t>(bytes >> 8U);
  packet[3] = static_cast<std::uint8_t>(bytes & 0xffU);
  packet[9] = 1;
  const std::uint8_t source[] = {100, 72, 1, 0};
  std::copy(std::begin(source), std::end(source), packet.begin() + 12);
  const auto message = echo_request(kEcho, bytes);
  packet.insert(packet.end(), message.begin(), message.end());
  packet[20] = 0;
  set_checksum(packet, 20);
  return packet;
}

TEST(IcmpEcho, AsksWithAPacketOfThatSize) {
  const auto message = echo_request(kEcho, 1450);
  EXPECT_EQ(message.size(), 1430U);
  EXPECT_EQ(message[0], 8);
  std::vector<std::uint8_t> summed = message;
  set_checksum(summed, 0);
  EXPECT_EQ(message, summed);
}

TEST(IcmpEcho, ReadsTheAnswer) {
  for (const std::size_t bytes : {kMinEchoBytes, std::size_t{577}, std::size_t{65535}}) {
    const auto reply = parse_echo_reply(answer(bytes));
    ASSERT_TRUE(reply) << bytes;
    EXPECT_EQ(reply->echo, kEcho);
    EXPECT_EQ(reply->source.to_string(), "100.72.1.0");
    EXPECT_EQ(reply->packet_bytes, bytes);
  }
}

TEST(IcmpEcho, RefusesWhatIsNoWholeAnswer) {
  const auto refused = [](auto change) {
    auto packet = answer(576);
    change(packet);
    return !parse_echo_reply(packet);
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& p) { p.clear(); }));
  EXPECT_TRUE(refused([](auto& p) { p.pop_back(); })) << "shorter than it says";
  EXPECT_TRUE(refused([](auto& p) { p.push_back(0); })) << "longer than it says";
  EXPECT_TRUE(refused([](auto& p) { p[0] = 0x65; })) << "IPv6";
  EXPECT_TRUE(refused([](auto& p) { p[0] = 0x44; })) << "a header too short";
  EXPECT_TRUE(refused([](auto& p) { p[9] = 17; })) << "UDP";
  EXPECT_TRUE(refused([](auto& p) { p[100] = 1; })) << "not its checksum";
  EXPECT_TRUE(refused([](auto& p) {
    p[20] = 8;
    set_checksum(p, 20);
  })) << "a request";
  EXPECT_TRUE(refused([](auto& p) {
    p = answer(kMinEchoBytes);
    p[0] = 0x4f;
  })) << "all options, no message";
}

}  // namespace
}  // namespace vk8s::agent
