#include "base/names.h"

#include <gtest/gtest.h>

#include <string>

namespace vk8s::base {
namespace {

TEST(Names, DnsLabel) {
  for (const char* good : {"a", "worker-1", "1", "a--b"}) {
    EXPECT_TRUE(is_dns_label(good)) << good;
  }
  for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b", "a b", "ä"}) {
    EXPECT_FALSE(is_dns_label(bad)) << bad;
  }
  EXPECT_TRUE(is_dns_label(std::string(63, 'a')));
  EXPECT_FALSE(is_dns_label(std::string(64, 'a')));
}

TEST(Names, DnsSubdomain) {
  EXPECT_TRUE(is_dns_subdomain("a.b-c.d"));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a/b", "*.a"}) {
    EXPECT_FALSE(is_dns_subdomain(bad)) << bad;
  }
  std::string longest;
  for (int i = 0; i < 127; ++i) {
    longest += i == 0 ? "a" : ".a";
  }
  EXPECT_EQ(longest.size(), 253U);
  EXPECT_TRUE(is_dns_subdomain(longest));
  EXPECT_FALSE(is_dns_subdomain(longest + "a"));
}

TEST(Names, CertificateDnsName) {
  EXPECT_TRUE(is_certificate_dns_name("kubernetes.default.svc"));
  EXPECT_TRUE(is_certificate_dns_name("*.example.com"));
  for (const char* bad : {"*", "*.", "a.*.b", "**.a", "a\n", "A.b"}) {
    EXPECT_FALSE(is_certificate_dns_name(bad)) << bad;
  }
}

TEST(Names, QualifiedName) {
  for (const char* good : {"app", "App_1.x", "node-role.kubernetes.io/master", "a/B"}) {
    EXPECT_TRUE(is_qualified_name(good)) << good;
  }
  for (const char* bad : {"", "/a", "a/", "A.b/c", "a/b/c", "-a", "a b"}) {
    EXPECT_FALSE(is_qualified_name(bad)) << bad;
  }
}

TEST(Names, LabelValue) {
  EXPECT_TRUE(is_label_value(""));
  EXPECT_TRUE(is_label_value("A_1.b-2"));
  EXPECT_TRUE(is_label_value(std::string(63, 'a')));
  for (const char* bad : {"-a", "a-", ".", "a/b", "a\n"}) {
    EXPECT_FALSE(is_label_value(bad)) << bad;
  }
  EXPECT_FALSE(is_label_value(std::string(64, 'a')));
}

}  // namespace
}  // namespace vk8s::base
