// What becomes of a cluster that has lost a certificate authority.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;
namespace resources = kube::resources;

class AuthoritiesTest : public ReconcilerTest {
 protected:
  void SetUp() override { run_cluster(); }

  // What it was.
  Json lose(const kube::Resource& resource, const std::string& name) {
    const Json last = object(resource, name);
    const auto removed = client_.run_one(remove_request(resource, {"team-a", name}, {}));
    EXPECT_TRUE(removed) << removed.error().message();
    return last;
  }
  void restore(const Json& secret) {
    loop_.run([&] { server_->put(resources::kSecret, secret); });
  }
  bool is_there(const kube::Resource& resource, const std::string& name) {
    return !object(resource, name).is_null();
  }
  // As after a restart of the controller, which knows no certificates.
  void reconcile_reborn() {
    agents_.identity_ = nullptr;
    inner_.forget(kDemo);
    Reconciler reborn(Reconciler::Parts{
        client_, world_, agents_, inner_, addresses_, {}, Settings(), Log::silent()});
    sync();
    ASSERT_TRUE(reborn.reconcile(kDemo));
  }
};

TEST_F(AuthoritiesTest, AgentsAreFollowedWithoutTheClustersOwn) {
  lose(resources::kSecret, "demo-pki");
  reconcile_reborn();
  EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
  EXPECT_NE(agents_.identity_, nullptr);
  EXPECT_FALSE(inner_.has_identity(kDemo));
}

TEST_F(AuthoritiesTest, TheClusterIsAskedWithoutThatOfItsAgents) {
  lose(resources::kSecret, "demo-agent-ca");
  reconcile_reborn();
  EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
  EXPECT_TRUE(inner_.has_identity(kDemo));
  EXPECT_EQ(agents_.identity_, nullptr);
}

}  // namespace
}  // namespace vk8s::controller
