#include "controller/registry_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/test_cluster.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"
#include "pki/pki.h"

namespace vk8s::controller {
namespace {

using kube::resources::kSecret;

const std::string kAuth = pki::base64_encode("reader:s3cret");

class RegistryCredentialsTest : public testing::Test {
 protected:
  RegistryCredentialsTest() {
    cluster_.settings.registry_mirror = "https://registry.example:5000";
    cluster_.vk8s.spec.image_pull_secrets = {"other", "registry"};
  }

  // A Secret with an entry for that registry.
  void put(const char* name, const char* registry, const std::string& auth = kAuth) {
    const std::string config = base::to_string(Json{{"auths", {{registry, {{"auth", auth}}}}}});
    loop_.run([&] {
      server_.put(kSecret, {{"apiVersion", "v1"},
                            {"kind", "Secret"},
                            {"metadata", {{"namespace", "team-a"}, {"name", name}}},
                            {"data", {{".dockerconfigjson", pki::base64_encode(config)}}}});
    });
  }

  std::string find() {
    const auto auth = credentials_.find(cluster_);
    return auth ? *auth : "problem: " + auth.error().message;
  }

  std::size_t requests() {
    return loop_.run([&] { return server_.requests().size(); });
  }

  kube::testing::LoopThread loop_;
  kube::FakeClient server_{loop_.loop()};
  BatchClient client_{loop_.loop(), server_};
  base::WallTime now_ = std::chrono::system_clock::now();
  RegistryCredentials credentials_{client_, Log::silent(), [this] { return now_; }};
  Cluster cluster_ = demo_cluster();
};

TEST_F(RegistryCredentialsTest, TakesTheFirstSecretWithAnEntryOfTheMirror) {
  put("other", "other.example");
  put("registry", "https://registry.example:5000");
  EXPECT_EQ(find(), kAuth);
}

TEST_F(RegistryCredentialsTest, PassesOverWhatCannotBeUsed) {
  put("other", "registry.example:5000", "not base64");
  EXPECT_EQ(find(), "") << "the second Secret is not there";
  now_ += std::chrono::hours(1);
  put("registry", "registry.example:5000");
  EXPECT_EQ(find(), kAuth);
}

TEST_F(RegistryCredentialsTest, AsksForNothingWhereThereIsNothingToAsk) {
  cluster_.settings.registry_mirror = "";
  EXPECT_EQ(find(), "");
  cluster_.settings.registry_mirror = "https://registry.example:5000";
  cluster_.vk8s.spec.image_pull_secrets = {};
  EXPECT_EQ(find(), "");
  EXPECT_EQ(requests(), 0U);
}

TEST_F(RegistryCredentialsTest, ReadsAgainAfterSomeMinutesOrWhenTheSpecChanges) {
  put("registry", "registry.example:5000");
  EXPECT_EQ(find(), kAuth);
  const std::string renewed = pki::base64_encode("reader:another");
  put("registry", "registry.example:5000", renewed);
  EXPECT_EQ(find(), kAuth);
  EXPECT_EQ(requests(), 2U) << "a reconcile reads no Secret";
  now_ += std::chrono::minutes(6);
  EXPECT_EQ(find(), renewed);
  cluster_.vk8s.spec.image_pull_secrets = {"none"};
  EXPECT_EQ(find(), "");
}

TEST_F(RegistryCredentialsTest, AFailedReadIsAProblemOnlyWhereNothingIsKnown) {
  put("registry", "registry.example:5000");
  const auto fail_reads = [&] {
    loop_.run(
        [&] { server_.fail_next("get", kSecret, Error(Errc::kUnavailable, "it is away"), 1); });
  };
  fail_reads();
  EXPECT_THAT(find(), testing::HasSubstr("it is away"));
  EXPECT_EQ(find(), kAuth);
  now_ += std::chrono::minutes(6);
  fail_reads();
  EXPECT_EQ(find(), kAuth);
}

}  // namespace
}  // namespace vk8s::controller
