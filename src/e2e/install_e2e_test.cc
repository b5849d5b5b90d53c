// install.sh and uninstall.sh on a cluster that is there already.
#include "e2e/fixture.h"

namespace vk8s::e2e {
namespace {

using testing::HasSubstr;

// The quarter of the host's pod network that quickstart.sh has made the pool of.
constexpr const char* kRange = "100.65.192.0/18";
constexpr const char* kSystem = "vk8s-system";

class InstallTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) {
      ASSERT_TRUE(ok(install()));
    }
  }

  // A test that failed half-way leaves those after it an operator all the same.
  void TearDown() override {
    HostTest::TearDown();
    if (HasFailure() && has_host()) {
      EXPECT_TRUE(ok(install()));
    }
  }

  Result<std::string> install(std::vector<std::string> more = {}) const {
    std::vector<std::string> argv = {"install.sh",
                                     host().registry(),
                                     kRange,
                                     "--push-registry",
                                     host().writable_registry(),
                                     "--cert-dir",
                                     host().registry_credentials()};
    const std::vector<std::string> versions = host().version_options();
    argv.insert(argv.end(), versions.begin(), versions.end());
    argv.insert(argv.end(), more.begin(), more.end());
    return host().script(std::move(argv));
  }

  // Whatever a run could have changed: versions of all objects of the installation.
  std::string versions() const {
    return versions_of({"-n", kSystem,
                        "deployments,replicasets,pods,configmaps,secrets,serviceaccounts,roles,"
                        "rolebindings"}) +
           versions_of({"crds"});
  }

  Result<std::string> controller_pods() const {
    return kubectl()({"get", "pods", "-n", kSystem, "-o", "name"});
  }
};

TEST_F(InstallTest, ChangesNothingWhenItRunsAgain) {
  // The controller of an earlier configuration may still be leaving.
  const auto before = settled([this] { return versions(); });
  ASSERT_TRUE(ok(before));
  EXPECT_THAT(*before, HasSubstr("ConfigMap vk8s-ip-reservation"));
  EXPECT_THAT(*before, testing::Not(HasSubstr("vk8s-probe")));
  ASSERT_TRUE(ok(install()));
  EXPECT_EQ(versions(), *before);
}

TEST_F(InstallTest, RestartsTheControllerWhenItsConfigurationChanges) {
  const auto before = controller_pods();
  ASSERT_TRUE(ok(before));
  ASSERT_TRUE(ok(install({"--skip-node-checks", "--no-mirror"})));
  EXPECT_NE(controller_pods().value_or(""), *before);
  ASSERT_TRUE(ok(install({"--skip-node-checks"})));
}

TEST_F(InstallTest, RefusesWhatCannotWork) {
  const auto no_range = host().script({"install.sh", host().registry(), "192.0.2.9-192.0.2.1"});
  ASSERT_FALSE(no_range);
  EXPECT_THAT(no_range.error().message(), HasSubstr("write 192.0.2.1-192.0.2.9"));
  const auto nodes =
      kubectl()({"get", "nodes", "-o",
                 "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}"});
  ASSERT_TRUE(ok(nodes));
  const auto of_a_node = host().script({"install.sh", host().registry(), *nodes + "/32"});
  ASSERT_FALSE(of_a_node);
  EXPECT_THAT(of_a_node.error().message(), HasSubstr("its address " + *nodes));
  const auto another = host().script({"install.sh", host().registry(), "192.0.2.0/26"});
  ASSERT_FALSE(another);
  EXPECT_THAT(another.error().message(), HasSubstr("--replace-range"));
  const auto unknown_ca = host().script({"install.sh", host().registry(), kRange});
  ASSERT_FALSE(unknown_ca);
  EXPECT_THAT(unknown_ca.error().message(), HasSubstr("--registry-ca"));
  const auto no_image =
      host().script({"scripts/check-nodes.sh", "--image", host().registry() + "/vk8s/nothing:v1"});
  ASSERT_FALSE(no_image);
  EXPECT_THAT(no_image.error().message(), HasSubstr("the node image cannot be run"));
  EXPECT_EQ(
      kubectl()({"get", "pods", "-n", kSystem, "-l", "app=vk8s-probe", "-o", "name"}).value_or("?"),
      "");
}

TEST_F(InstallTest, UninstallRefusesWhileAClusterExistsAndLeavesNothing) {
  ensure_namespace("install");
  const auto cluster =
      VirtualCluster::create(host(), "install", "left", vk8s_manifest("install", "left", 0));
  ASSERT_TRUE(ok(cluster));
  const auto refused = host().script({"uninstall.sh"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("virtual cluster install/left (Running)"));
  ASSERT_TRUE(ok(kubectl().get({"-n", kSystem, "deployment/vk8s-controller-manager"})));

  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ok(host().script({"uninstall.sh", "--force"})));
  }
  for (const std::string what :
       {"namespace/vk8s-system", "crd/vk8s.vk8s.sktelecom.com",
        "clusterrole/vk8s-controller-manager", "clusterrolebinding/vk8s-controller-manager"}) {
    EXPECT_EQ(kubectl()({"get", what, "--ignore-not-found", "-o", "name"}).value_or("?"), "");
  }
  const auto left = kubectl()(
      {"get", "-A", "-l", "app=vk8s", "-o", "name",
       "pods,statefulsets,deployments,services,secrets,persistentvolumeclaims,networkpolicies"});
  EXPECT_EQ(left ? *left : left.error().message(), "");
  EXPECT_TRUE(ok(install())) << "the tests after this one have no operator";
}

}  // namespace
}  // namespace vk8s::e2e
