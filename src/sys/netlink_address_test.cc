#include "sys/netlink_address.h"

#include <gtest/gtest.h>

#include "sys/netns.h"

namespace vk8s::sys {
namespace {

TEST(InterfaceAddress, KeepsHostBits) {
  const auto parsed = InterfaceAddress::parse("10.0.0.7/24");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_string(), "10.0.0.7/24");
  EXPECT_EQ(InterfaceAddress::parse("10.0.0.7")->prefix_length, 32);
  EXPECT_EQ(InterfaceAddress::parse("fd00::1")->prefix_length, 128);
}

TEST(InterfaceAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "/", "10.0.0.7/", "10.0.0.7/33", "10.0.0.7/-1", "10.0.0.7/+1",
                           "10.0.0.7/24 ", "fd00::/129", "host/24"}) {
    EXPECT_FALSE(InterfaceAddress::parse(text)) << text;
  }
}

TEST(MacAddress, ReadsAndWritesColonNotation) {
  const auto parsed = parse_mac_address("0a:58:0A:00:00:ff");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_string(*parsed), "0a:58:0a:00:00:ff");
  for (const char* text : {"", "0a:58:0a:00:00", "0a:58:0a:00:00:f", "0a:58:0a:00:00:0g",
                           "0a:58:0a:00:00:ff:", "0a-58-0a-00-00-ff", "0a:58:0a:00:00:-1"}) {
    EXPECT_FALSE(parse_mac_address(text)) << text;
  }
}

TEST(SysctlPath, MapsKeysToFilesBelowProcSys) {
  EXPECT_EQ(*sysctl_path("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
  EXPECT_EQ(*sysctl_path("net.ipv4.conf.eth0/100.rp_filter"),
            "/proc/sys/net/ipv4/conf/eth0.100/rp_filter");
  for (const char* key : {"", ".", "net.", ".net", "net..ipv4", "net.//.x", "/etc", "net./.x"}) {
    EXPECT_FALSE(sysctl_path(key)) << key;
  }
}

}  // namespace
}  // namespace vk8s::sys
