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
        client_, world_, agents_, inner_, addresses_, addons_, {}, Settings(), Log::silent()});
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

// As by `kubectl delete statefulset,secret -l clusterName=demo`: its volumes are there.
TEST_F(AuthoritiesTest, AreNotMadeAnewForAClusterThatHasRun) {
  edit("status.version", "1.37.2");
  const Json pki = lose(resources::kSecret, "demo-pki");
  const Json agent_ca = lose(resources::kSecret, "demo-agent-ca");
  for (const char* secret : {"demo-kubeconfig", "demo-master-1-config", "demo-worker-1-config"}) {
    lose(resources::kSecret, secret);
  }
  for (const char* node : {"demo-master-1", "demo-worker-1"}) {
    lose(resources::kStatefulSet, node);
    remove_pod(node);
  }
  reconcile_reborn();
  EXPECT_FALSE(is_there(resources::kSecret, "demo-pki"));
  EXPECT_FALSE(is_there(resources::kSecret, "demo-agent-ca"));
  EXPECT_FALSE(is_there(resources::kStatefulSet, "demo-master-1"));
  EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
  EXPECT_THAT(status().message, HasSubstr("restore it from a backup"));

  restore(pki);
  restore(agent_ca);
  reconcile_reborn();
  EXPECT_TRUE(is_there(resources::kStatefulSet, "demo-master-1"));
  EXPECT_EQ(*base::find(object(resources::kSecret, "demo-pki"), "data"), *base::find(pki, "data"));
  EXPECT_EQ(condition("CertificateAuthorityLost"), "False");
}

// Its new pod would name a Secret that is gone.
TEST_F(AuthoritiesTest, NoPodIsReplacedWithoutThem) {
  put_pod_of_revision("demo-master-1", "old");
  put_pod_of_revision("demo-worker-1", "new");
  for (const char* secret : {"demo-pki", "demo-agent-ca"}) {
    const Json backup = lose(resources::kSecret, secret);
    const auto waiting = reconcile();
    ASSERT_TRUE(waiting);
    EXPECT_TRUE(waiting->again);
    EXPECT_TRUE(is_there(resources::kPod, "demo-master-1-0"));
    EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
    EXPECT_EQ(status().phase, "Running");
    restore(backup);
  }
  lose(resources::kSecret, "demo-master-1-config");
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(is_there(resources::kPod, "demo-master-1-0"));
  EXPECT_TRUE(is_there(resources::kSecret, "demo-master-1-config")) << "its pod mounts it too";
}

// So after a restart of the controller: nobody else would tell what becomes of the nodes.
TEST_F(AuthoritiesTest, AreKnownThoughTheHostRefusesAService) {
  lose(resources::kService, "demo-peers");
  refuse("create", resources::kService, "demo-peers", "exceeded quota: services");
  reconcile_reborn();
  EXPECT_EQ(condition("WriteFailed"), "True");
  EXPECT_NE(agents_.identity_, nullptr);
  EXPECT_TRUE(inner_.has_identity(kDemo));
}

// Its pods would wait for a Secret that is gone.
TEST_F(AuthoritiesTest, AreLookedAtWhenAPausedClusterResumes) {
  edit("spec.paused", true);
  ASSERT_TRUE(reconcile());
  lose(resources::kSecret, "demo-pki");
  edit("spec.paused", false);
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(condition("CertificateAuthorityLost"), "True");
}

TEST_F(AuthoritiesTest, WithoutThemAClusterThatIsToComeBackHasFailed) {
  edit("status.version", "1.37.2");
  lose(resources::kSecret, "demo-pki");
  for (const char* node : {"demo-master-1", "demo-worker-1"}) {
    lose(resources::kStatefulSet, node);
    remove_pod(node);
  }
  reconcile_reborn();
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_THAT(status().message, HasSubstr("the cluster is not begun again"));
}

}  // namespace
}  // namespace vk8s::controller
