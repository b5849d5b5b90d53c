// Clusters of one namespace, and of one name in two namespaces, do not see each other.
#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class IsolationTest : public HostTest {
 protected:
  Result<VirtualCluster> create(const std::string& in, const std::string& name, int workers = 0) {
    return VirtualCluster::create(host(), in, name, vk8s_manifest(in, name, workers));
  }
  Result<std::string> jsonpath(const std::string& in, const std::string& what,
                               const std::string& path) const {
    return kubectl()({"-n", in, "get", what, "-o", "jsonpath={" + path + "}"});
  }
};

TEST_F(IsolationTest, RefusesTheCredentialsOfAnotherClusterOfTheNamespace) {
  ensure_namespace("pair");
  const auto one = create("pair", "one");
  const auto two = create("pair", "two");
  ASSERT_TRUE(ok(one));
  ASSERT_TRUE(ok(two));
  ASSERT_TRUE(ok(one->kubectl().apply(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: mark, namespace: default}}")));
  const auto other = two->kubectl()({"get", "configmap", "mark"});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("not found"));

  const auto endpoint = jsonpath("pair", "vk8s/two", ".status.endpoint");
  ASSERT_TRUE(ok(endpoint));
  // The client's own certificate, at the other's server, without checking that one.
  const auto refused =
      one->kubectl()({"--server", *endpoint, "--insecure-skip-tls-verify", "get", "namespaces"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              testing::AnyOf(HasSubstr("Unauthorized"), HasSubstr("must be logged in"),
                             HasSubstr("certificate-authority")));
  EXPECT_TRUE(ok(one->remove()));
  EXPECT_TRUE(ok(two->kubectl()({"get", "nodes"})));
  EXPECT_TRUE(ok(two->remove()));
}

TEST_F(IsolationTest, HasClustersOfOneNameInTwoNamespaces) {
  ensure_namespace("left");
  ensure_namespace("right");
  const auto left = create("left", "same");
  const auto right = create("right", "same");
  ASSERT_TRUE(ok(left));
  ASSERT_TRUE(ok(right));
  EXPECT_TRUE(ok(left->kubectl()({"create", "namespace", "only-left"})));
  EXPECT_FALSE(right->kubectl()({"get", "namespace", "only-left"}));
  EXPECT_TRUE(ok(left->remove()));
  EXPECT_TRUE(ok(right->kubectl()({"get", "nodes"})));
  EXPECT_TRUE(ok(right->remove()));
}

TEST_F(IsolationTest, NamesTheOtherClusterWhereNodeNamesClash) {
  ensure_namespace("clash");
  const auto first = create("clash", "first");
  ASSERT_TRUE(ok(first));
  const std::string manifest = R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {namespace: clash, name: second}
spec: {nodes: [{name: first-master-1, role: master}]}
)";
  ASSERT_TRUE(ok(kubectl().apply(manifest)));
  ASSERT_TRUE(ok(kubectl().wait_for_output(
      {"-n", "clash", "get", "vk8s", "second", "-o", "jsonpath={.status.conditions[*].reason}"},
      "NodeNameConflict", seconds(15))));
  const auto made = kubectl()({"-n", "clash", "get", "services,secrets,statefulsets", "-l",
                               "clusterName=second", "-o", "name"});
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(*made, "");
  ASSERT_TRUE(ok(kubectl()({"-n", "clash", "delete", "vk8s", "second"})));
  EXPECT_TRUE(ok(first->remove()));
}

// From a node of one cluster to a node of another: what carries the same VXLAN
// network identifier and a pod's address must not arrive.
TEST_F(IsolationTest, DropsVxlanForgedByAnotherCluster) {
  ensure_namespace("forge");
  const auto victim = create("forge", "victim", 1);
  const auto forger = create("forge", "forger");
  ASSERT_TRUE(ok(victim));
  ASSERT_TRUE(ok(forger));
  const auto dropped = [this](const std::string& pod) {
    return kubectl()(
        {"-n", "forge", "exec", pod, "--", "nft", "list", "chain", "ip", "vk8s-overlay", "input"});
  };
  // The rule counts for the length of this test.
  ASSERT_TRUE(ok(kubectl()({"-n",    "forge",        "exec",    "victim-worker-1-0",
                            "--",    "nft",          "insert",  "rule",
                            "ip",    "vk8s-overlay", "input",   "udp",
                            "dport", "14789",        "ip",      "saddr",
                            "!=",    "@peers",       "counter", "drop"})));
  const auto address = jsonpath("forge", "pod/victim-worker-1-0", ".status.podIP");
  ASSERT_TRUE(ok(address));
  ASSERT_TRUE(ok(kubectl()({"-n", "forge", "exec", "forger-master-1-0", "--", "bash", "-c",
                            "for i in 1 2 3; do printf '\\010\\000\\000\\000\\000\\000\\001\\000"
                            "forged' >/dev/udp/" +
                                *address + "/14789; done"})));
  ASSERT_TRUE(ok(wait_until(
      [&] {
        const auto rules = dropped("victim-worker-1-0");
        return rules ? Answer{rules->find("packets 3 ") != std::string::npos, *rules}
                     : Answer{false, rules.error().message()};
      },
      seconds(10), "three dropped packets")));
  EXPECT_TRUE(ok(forger->remove()));
  EXPECT_TRUE(ok(victim->remove()));
}

TEST_F(IsolationTest, RefusesAPushToTheRegistryFromANode) {
  ensure_namespace("push");
  const auto cluster = create("push", "pusher");
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(
      ok(cluster->kubectl()({"run", "client", "--image=busybox", "--image-pull-policy=IfNotPresent",
                             "--restart=Never", "--", "sleep", "86400"})));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"pod/client"}, "condition=Ready")));
  const std::string address = host().registry().substr(0, host().registry().find(':'));
  // Port 5000 takes no writes; port 5001 wants a certificate nobody here has.
  const auto post = [&](int port) {
    return kubectl()({"-n", "push", "exec", "pusher-master-1-0", "--", "bash", "-c",
                      fmt::format("exec 3<>/dev/tcp/{}/{} && echo connected", address, port)});
  };
  EXPECT_TRUE(ok(post(5000)));
  const auto read_only = cluster->kubectl()(
      {"exec", "client", "--", "wget", "--no-check-certificate", "-S", "-O-",
       "--post-data=", fmt::format("https://{}:5000/v2/vk8s/vnode/blobs/uploads/", address)});
  ASSERT_FALSE(read_only);
  EXPECT_THAT(read_only.error().message(), HasSubstr("405"));
  const auto writable = cluster->kubectl()(
      {"exec", "client", "--", "wget", "--no-check-certificate", "-S", "-O-",
       "--post-data=", fmt::format("https://{}:5001/v2/vk8s/vnode/blobs/uploads/", address)});
  ASSERT_FALSE(writable);
  EXPECT_THAT(writable.error().message(), Not(HasSubstr("202")));
  EXPECT_TRUE(ok(cluster->remove()));
}

}  // namespace
}  // namespace vk8s::e2e
