#include "ipmanager/serving_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::ipmanager {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
namespace resources = kube::resources;

const kube::ObjectKey kCa{"vk8s-system", "vk8s-ip-manager-ca"};

class ServingCertificateTest : public ::testing::Test {
 protected:
  struct Replica {
    Replica(ServingCertificateTest& test)
        : certificate(
              test.timers_, test.server_, "vk8s-system",
              [this](const pki::KeyPair& pair) {
                if (fails) {
                  return Status(fail(Errc::kInternal, "not now"));
                }
                installed.push_back(pair);
                return Status();
              },
              [&test] { return test.now_; }, Log::silent()) {}
    bool fails = false;
    std::vector<pki::KeyPair> installed;
    ServingCertificate certificate;
  };

  void run(std::chrono::nanoseconds time = {}) {
    now_ += std::chrono::duration_cast<pki::WallTime::duration>(time);
    timers_.advance(time);
  }
  std::string published() const {
    const Json* map = server_.peek(resources::kConfigMap, kCa);
    const JsonObject* data = map == nullptr ? nullptr : base::get_object(*map, "data");
    return data == nullptr ? std::string() : std::string(data->at("ca.crt").as_string());
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  pki::WallTime now_ = std::chrono::system_clock::now();
  Replica one_{*this};
  Replica two_{*this};
};

TEST_F(ServingCertificateTest, IsSignedByTheCaThatIsPublished) {
  EXPECT_FALSE(one_.certificate.is_installed());
  one_.certificate.start();
  run();
  ASSERT_EQ(one_.installed.size(), 1U);
  EXPECT_TRUE(one_.certificate.is_installed());
  const std::string& leaf = one_.installed[0].certificate_pem;
  EXPECT_TRUE(pki::is_signed_by(leaf, published()));
  const auto info = pki::parse_certificate(leaf);
  ASSERT_TRUE(info);
  EXPECT_THAT(info->dns_names, Contains("vk8s-ip-manager.vk8s-system.svc"));
  EXPECT_TRUE(info->server);
  EXPECT_FALSE(info->client);
  EXPECT_EQ(published().find("PRIVATE"), std::string::npos);
}

TEST_F(ServingCertificateTest, OfAllReplicasComesFromOneCa) {
  one_.certificate.start();
  two_.certificate.start();  // both find none, one creates it
  run();
  ASSERT_EQ(one_.installed.size(), 1U);
  ASSERT_EQ(two_.installed.size(), 1U);
  EXPECT_TRUE(pki::is_signed_by(one_.installed[0].certificate_pem, published()));
  EXPECT_TRUE(pki::is_signed_by(two_.installed[0].certificate_pem, published()));
  EXPECT_NE(one_.installed[0].key_pem, two_.installed[0].key_pem);
}

TEST_F(ServingCertificateTest, IsRenewedAfterTwoThirdsOfItsLife) {
  one_.certificate.start();
  run();
  const std::string before = published();
  for (int day = 0; day < 59; ++day) {
    run(24h);
  }
  EXPECT_EQ(one_.installed.size(), 1U);
  run(26h);
  EXPECT_GT(one_.installed.size(), 1U);
  EXPECT_EQ(published(), before);
}

TEST_F(ServingCertificateTest, FollowsANewCa) {
  one_.certificate.start();
  run();
  const std::string before = published();
  (void)server_.remove(resources::kSecret, kCa, {}, [](const Result<Json>&) {});
  run(61min);
  ASSERT_EQ(one_.installed.size(), 2U);
  EXPECT_NE(published(), before);
  EXPECT_TRUE(pki::is_signed_by(one_.installed[1].certificate_pem, published()));
  two_.certificate.start();
  run();
  EXPECT_TRUE(pki::is_signed_by(two_.installed.at(0).certificate_pem, published()));
}

TEST_F(ServingCertificateTest, PublishesAnewWhatSomebodyChanged) {
  one_.certificate.start();
  run();
  const std::string before = published();
  server_.put(
      resources::kConfigMap,
      JsonObject{{"metadata", JsonObject{{"name", kCa.name}, {"namespace", kCa.namespace_name}}},
                 {"data", JsonObject{{"ca.crt", "another"}}}});
  run(61min);
  EXPECT_EQ(published(), before);
  EXPECT_EQ(one_.installed.size(), 1U);
}

TEST_F(ServingCertificateTest, TriesAgainAfterEachFailure) {
  const Error away(Errc::kUnavailable, "connection refused");
  server_.fail_next("get", resources::kSecret, away);
  server_.fail_next("create", resources::kSecret, away);
  server_.fail_next("get", resources::kConfigMap, away);
  server_.fail_next("create", resources::kConfigMap, away);
  one_.fails = true;
  one_.certificate.start();
  for (int i = 0; i < 4; ++i) {
    run(36s);
  }
  EXPECT_FALSE(one_.certificate.is_installed());
  EXPECT_FALSE(published().empty());
  one_.fails = false;
  run(36s);
  EXPECT_TRUE(one_.certificate.is_installed());
}

TEST_F(ServingCertificateTest, LeavesASecretThatIsNoCa) {
  const Json broken(
      JsonObject{{"metadata", JsonObject{{"name", kCa.name}, {"namespace", kCa.namespace_name}}},
                 {"data", JsonObject{{"ca.crt", "QQ=="}, {"ca.key", "QQ=="}}}});
  server_.put(resources::kSecret, broken);
  one_.certificate.start();
  run(60s);
  EXPECT_FALSE(one_.certificate.is_installed());
  EXPECT_EQ(base::find(*server_.peek(resources::kSecret, kCa), "data")->as_object(),
            broken.at("data").as_object());
  EXPECT_TRUE(published().empty());
}

TEST_F(ServingCertificateTest, EndsWithItsStop) {
  one_.certificate.start();
  one_.certificate.stop();
  run(120s);
  EXPECT_TRUE(one_.installed.empty());
}

}  // namespace
}  // namespace vk8s::ipmanager
