#include <gmock/gmock.h>

#include "pki/pki.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::pki {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const KeyPair& test_ca() {
  static const KeyPair ca = create_ca({.common_name = "test-ca", .organizations = {}}).value();
  return ca;
}

LeafRequest server_request() {
  return {.subject = {.common_name = "kube-apiserver", .organizations = {}},
          .dns_names = {"kubernetes", "kubernetes.default.svc", "*.peers.local"},
          .ip_addresses = {"10.96.0.1", "fd00::1"},
          .server = true};
}

// Verifies with the program that others use, not with our own code.
class OpensslProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto version = run({"openssl", "version"});
    if (!version || !version->status.success()) {
      GTEST_SKIP() << "the program openssl is not installed";
    }
  }
  static Result<sys::CommandOutput> run(std::vector<std::string> argv) {
    sys::SpawnOptions options;
    options.argv = std::move(argv);
    options.environment = {{"PATH", "/usr/bin:/bin"}};
    return sys::run_command(std::move(options));
  }
  std::string file(const std::string& name, const std::string& content) {
    const std::string path = dir_.path() + "/" + name;
    EXPECT_TRUE(sys::write_file(path, content, {.mode = 0600}));
    return path;
  }
  // The text it prints; a failure's reason too.
  static std::string output(std::vector<std::string> argv) {
    const auto result = run(std::move(argv));
    return result ? result->standard_output + result->standard_error : result.error().message();
  }

  sys::TempDir dir_ = sys::TempDir::create().value();
};

TEST_F(OpensslProgram, AcceptsACaAndItsLeaves) {
  const auto server = issue(test_ca(), server_request());
  const auto client = issue(
      test_ca(), {.subject = {.common_name = "system:node:w1", .organizations = {"system:nodes"}},
                  .dns_names = {},
                  .ip_addresses = {},
                  .client = true});
  ASSERT_TRUE(server && client);
  const std::string ca = file("ca.crt", test_ca().certificate_pem);
  const std::string s = file("s.crt", server->certificate_pem);
  const std::string c = file("c.crt", client->certificate_pem);
  EXPECT_EQ(output({"openssl", "verify", "-x509_strict", "-CAfile", ca, ca}), ca + ": OK\n");
  EXPECT_EQ(output({"openssl", "verify", "-x509_strict", "-CAfile", ca, "-purpose", "sslserver",
                    "-verify_hostname", "a.peers.local", s}),
            s + ": OK\n");
  EXPECT_EQ(
      output({"openssl", "verify", "-x509_strict", "-CAfile", ca, "-verify_ip", "fd00::1", s}),
      s + ": OK\n");
  EXPECT_EQ(
      output({"openssl", "verify", "-x509_strict", "-CAfile", ca, "-purpose", "sslclient", c}),
      c + ": OK\n");
}

TEST_F(OpensslProgram, RefusesALeafForAnotherUseOrByAnotherCa) {
  const auto server = issue(test_ca(), server_request());
  const auto other = create_ca({.common_name = "test-ca", .organizations = {}});
  ASSERT_TRUE(server && other);
  const std::string ca = file("ca.crt", test_ca().certificate_pem);
  const std::string other_ca = file("other.crt", other->certificate_pem);
  const std::string leaf = file("s.crt", server->certificate_pem);
  EXPECT_THAT(output({"openssl", "verify", "-CAfile", ca, "-purpose", "sslclient", leaf}),
              HasSubstr("unsuitable certificate purpose"));
  EXPECT_THAT(output({"openssl", "verify", "-CAfile", ca, "-verify_ip", "10.96.0.2", leaf}),
              HasSubstr("IP address mismatch"));
  EXPECT_THAT(output({"openssl", "verify", "-CAfile", other_ca, leaf}),
              HasSubstr("verification failed"));
}

TEST_F(OpensslProgram, RefusesACertificateThatALeafSigned) {
  const auto leaf = issue(test_ca(), server_request());
  ASSERT_TRUE(leaf);
  EXPECT_EQ(issue(*leaf, server_request()).error().code(), Errc::kInvalidArgument);
}

TEST_F(OpensslProgram, SeesTheKindsOfKeysKubernetesReads) {
  const std::string key = file("ca.key", test_ca().key_pem);
  EXPECT_THAT(output({"openssl", "pkey", "-in", key, "-noout", "-text"}),
              HasSubstr("NIST CURVE: P-256"));
  const auto signing = create_signing_key();
  ASSERT_TRUE(signing);
  const std::string pub = file("sa.pub", signing->public_pem);
  const std::string priv = file("sa.key", signing->private_pem);
  EXPECT_EQ(output({"openssl", "pkey", "-in", priv, "-pubout"}), signing->public_pem);
  EXPECT_THAT(output({"openssl", "pkey", "-pubin", "-in", pub, "-noout", "-text"}),
              HasSubstr("P-256"));
}

TEST(CreateCa, MakesASelfSignedCa) {
  const auto info = parse_certificate(test_ca().certificate_pem);
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->is_ca);
  EXPECT_FALSE(info->server || info->client);
  EXPECT_EQ(info->subject.common_name, "test-ca");
  EXPECT_TRUE(is_signed_by(test_ca().certificate_pem, test_ca().certificate_pem));
  EXPECT_TRUE(matches_key(test_ca().certificate_pem, test_ca().key_pem));
  EXPECT_THAT(test_ca().key_pem, StartsWith("-----BEGIN PRIVATE KEY-----\n"));
  const auto age = std::chrono::system_clock::now() - info->not_before;
  EXPECT_GE(age, 5min);
  EXPECT_LT(age, 6min);
}

TEST(Issue, SaysWhatWasAskedFor) {
  LeafRequest request = server_request();
  request.client = true;
  request.subject.organizations = {"a", "b"};
  const auto leaf = issue(test_ca(), request);
  ASSERT_TRUE(leaf) << leaf.error().message();
  const auto info = parse_certificate(leaf->certificate_pem);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->subject.common_name, "kube-apiserver");
  EXPECT_THAT(info->subject.organizations, ElementsAre("a", "b"));
  EXPECT_EQ(info->dns_names, request.dns_names);
  EXPECT_EQ(info->ip_addresses, request.ip_addresses);
  EXPECT_TRUE(info->server && info->client && !info->is_ca);
  EXPECT_TRUE(is_signed_by(leaf->certificate_pem, test_ca().certificate_pem));
  EXPECT_TRUE(matches_key(leaf->certificate_pem, leaf->key_pem));
  EXPECT_FALSE(matches_key(leaf->certificate_pem, test_ca().key_pem));
}

TEST(Issue, NeverOutlivesTheCa) {
  const auto ca = create_ca({.common_name = "short", .organizations = {}}, 2h);
  LeafRequest request = server_request();
  request.lifetime = 24h;
  const auto leaf = issue(*ca, request);
  ASSERT_TRUE(leaf);
  const auto ca_info = parse_certificate(ca->certificate_pem);
  const auto info = parse_certificate(leaf->certificate_pem);
  EXPECT_EQ(info->not_after, ca_info->not_after);
  EXPECT_GE(info->not_before, ca_info->not_before);
}

TEST(Issue, RefusesWhatMakesNoCertificate) {
  const auto refused = [](auto change) {
    LeafRequest request = server_request();
    change(request);
    const auto leaf = issue(test_ca(), request);
    return !leaf && leaf.error().code() == Errc::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& r) { r.server = false; }));
  EXPECT_TRUE(refused([](auto& r) { r.lifetime = 0h; }));
  EXPECT_TRUE(refused([](auto& r) { r.lifetime = std::chrono::hours::max(); }));
  EXPECT_TRUE(refused([](auto& r) { r.subject.common_name = ""; }));
  EXPECT_TRUE(refused([](auto& r) { r.subject.common_name = std::string(65, 'x'); }));
  EXPECT_TRUE(refused([](auto& r) { r.subject.common_name = "a\nb"; }));
  EXPECT_TRUE(refused([](auto& r) { r.subject.common_name = std::string("a\0b", 3); }));
  EXPECT_TRUE(refused([](auto& r) { r.subject.organizations = {""}; }));
  EXPECT_TRUE(refused([](auto& r) { r.dns_names = {"a,DNS:evil"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.dns_names = {"10.0.0.1:443"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.ip_addresses = {"not-an-address"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.ip_addresses = {"::ffff:10.0.0.1"}; }));
}

TEST(Issue, RefusesAKeyThatIsNotTheCas) {
  const auto other = create_ca({.common_name = "other", .organizations = {}});
  const KeyPair mixed{.certificate_pem = test_ca().certificate_pem, .key_pem = other->key_pem};
  EXPECT_EQ(issue(mixed, server_request()).error().code(), Errc::kInvalidArgument);
}

TEST(Issue, GivesEachCertificateItsOwnKey) {
  const auto a = issue(test_ca(), server_request());
  const auto b = issue(test_ca(), server_request());
  EXPECT_NE(a->key_pem, b->key_pem);
  EXPECT_NE(a->certificate_pem, b->certificate_pem);
}

TEST(IsSignedBy, NeedsTheSignatureNotOnlyTheName) {
  const auto twin = create_ca({.common_name = "test-ca", .organizations = {}});
  const auto leaf = issue(test_ca(), server_request());
  ASSERT_TRUE(twin && leaf);
  EXPECT_FALSE(is_signed_by(leaf->certificate_pem, twin->certificate_pem));
  EXPECT_FALSE(is_signed_by(leaf->certificate_pem, leaf->certificate_pem));
  EXPECT_FALSE(is_signed_by("", test_ca().certificate_pem));
  EXPECT_FALSE(is_signed_by(leaf->certificate_pem, "junk"));
}

TEST(ParseCertificate, RefusesWhatIsNone) {
  for (const std::string& pem :
       {std::string(), std::string("x"), test_ca().key_pem,
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        std::string(1U << 20U, 'a')}) {
    const auto info = parse_certificate(pem);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().code(), Errc::kInvalidArgument);
  }
}

TEST(ParseCertificate, AChangedOneIsRefusedOrNotSignedAnyMore) {
  const auto leaf = issue(test_ca(), server_request());
  ASSERT_TRUE(leaf);
  const std::string& pem = leaf->certificate_pem;
  const std::size_t begin = pem.find('\n') + 1;
  // The last group is left out: its unused bits may change and mean the same.
  const std::size_t end = pem.find("\n-----END") - 4;
  for (std::size_t i = begin; i < end; i += 3) {
    std::string changed = pem;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (pem[i] != '\n' && parse_certificate(changed)) {
      EXPECT_FALSE(is_signed_by(changed, test_ca().certificate_pem)) << i;
    }
  }
}

TEST(MatchesKey, IsFalseForWhatDoesNotParse) {
  EXPECT_FALSE(matches_key("x", "y"));
  EXPECT_FALSE(matches_key(test_ca().certificate_pem, ""));
}

TEST(MatchesKey, NeverAsksForAPassPhrase) {
  constexpr const char* kEncrypted =
      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
      "-----END EC PRIVATE KEY-----\n";
  EXPECT_FALSE(matches_key(test_ca().certificate_pem, kEncrypted));
}

TEST(RenewalTime, IsAfterTwoThirds) {
  CertificateInfo info;
  info.not_before = WallTime(1000h);
  info.not_after = WallTime(1300h);
  EXPECT_EQ(renewal_time(info), WallTime(1200h));
}

}  // namespace
}  // namespace vk8s::pki
