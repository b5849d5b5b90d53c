// Clusters of one namespace, and of one name in two namespaces, do not see each other.
#include <future>

#include "base/text.h"
#include "e2e/fixture.h"
#include "e2e/vxlan_packet.h"
#include "e2e/workload.h"
#include "pki/pki.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint16_t kForgedPort = 4799;  // nobody's

class IsolationTest : public HostTest {
 protected:
  Result<VirtualCluster> create(const std::string& in, const std::string& name, int workers = 0) {
    return VirtualCluster::create(host(), in, name, vk8s_manifest(in, name, workers));
  }
  Result<std::string> jsonpath(const std::string& in, const std::string& what,
                               const std::string& path) const {
    return kubectl()({"-n", in, "get", what, "-o", "jsonpath={" + path + "}"});
  }

  // Of the clusters one and two in the namespace pair.
  void expect_own_pki() const;
  void expect_refusal(const VirtualCluster& client, const std::string& server) const;
  Result<std::string> packet_between(const VirtualCluster& cluster, const std::string& from,
                                     const std::string& to) const;
};

void IsolationTest::expect_own_pki() const {
  for (const char* file :
       {"ca\\.crt", "ca\\.key", "etcd-ca\\.key", "front-proxy-ca\\.key", "sa\\.key"}) {
    const auto of_one = jsonpath("pair", "secret/one-pki", fmt::format(".data.{}", file));
    const auto of_two = jsonpath("pair", "secret/two-pki", fmt::format(".data.{}", file));
    ASSERT_TRUE(ok(of_one));
    ASSERT_TRUE(ok(of_two));
    EXPECT_NE(*of_one, "") << file;
    EXPECT_NE(*of_one, *of_two) << file;
  }
}

// Either side refuses: the server is not of the client's CA, nor the client of the server's.
void IsolationTest::expect_refusal(const VirtualCluster& client, const std::string& server) const {
  const auto endpoint = jsonpath("pair", "vk8s/" + server, ".status.endpoint");
  ASSERT_TRUE(ok(endpoint));
  const auto by_client = client.kubectl()({"--server", *endpoint, "get", "namespaces"});
  ASSERT_FALSE(by_client);
  EXPECT_THAT(by_client.error().message(), HasSubstr("certificate signed by unknown authority"));
  const auto by_server =
      client.kubectl()({"--server", *endpoint, "--insecure-skip-tls-verify", "get", "namespaces"});
  ASSERT_FALSE(by_server);
  EXPECT_THAT(by_server.error().message(),
              testing::AnyOf(HasSubstr("Unauthorized"), HasSubstr("must be logged in")));
}

// As the tunnel of that node would send it to the other one.
Result<std::string> IsolationTest::packet_between(const VirtualCluster& cluster,
                                                  const std::string& from,
                                                  const std::string& to) const {
  const auto mac = [&](const std::string& node) {
    return kubectl()({"-n", cluster.namespace_name(), "exec", node + "-0", "--", "cat",
                      "/sys/class/net/vk8s-vxlan/address"});
  };
  // The tunnel's end has the network address of the node's pods.
  const auto address = [&](const std::string& node) -> Result<IpAddress> {
    const std::string pods =
        VK8S_TRY(cluster.kubectl()({"get", "node", node, "-o", "jsonpath={.spec.podCIDR}"}));
    return VK8S_TRY(Cidr::parse(pods)).network();
  };
  InnerDatagram datagram;
  datagram.to_mac = base::trim(VK8S_TRY(mac(to)));
  datagram.from_mac = base::trim(VK8S_TRY(mac(from)));
  datagram.to = VK8S_TRY(address(to));
  datagram.from = VK8S_TRY(address(from));
  datagram.port = kForgedPort;
  datagram.payload = "forged";
  return vxlan_packet(datagram);
}

TEST_F(IsolationTest, HasTwoClustersOfOneNamespaceThatWereMadeAtOnce) {
  ensure_namespace("pair");
  const auto create_by_cli = [this](const std::string& name) {
    return host().cli({"create", name, "-n", "pair", "--wait"}, seconds(310));
  };
  auto other = std::async(std::launch::async, create_by_cli, "two");
  const auto created_one = create_by_cli("one");
  const auto created_two = other.get();
  ASSERT_TRUE(ok(created_one));
  ASSERT_TRUE(ok(created_two));
  const auto one = VirtualCluster::attach(host(), "pair", "one");
  const auto two = VirtualCluster::attach(host(), "pair", "two");
  ASSERT_TRUE(ok(one));
  ASSERT_TRUE(ok(two));
  ASSERT_NO_FATAL_FAILURE(expect_own_pki());
  ASSERT_NO_FATAL_FAILURE(expect_refusal(*one, "two"));
  ASSERT_NO_FATAL_FAILURE(expect_refusal(*two, "one"));

  ASSERT_TRUE(ok(one->kubectl().apply(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: mark, namespace: default}}")));
  const auto unseen = two->kubectl()({"get", "configmap", "mark"});
  ASSERT_FALSE(unseen);
  EXPECT_THAT(unseen.error().message(), HasSubstr("not found"));

  // That one leaves does not touch the other.
  const auto state_of_two = [this] {
    const auto pods = kubectl()({"-n", "pair", "get", "pods", "-l", "clusterName=two", "-o",
                                 "jsonpath={range .items[*]}{.metadata.uid} "
                                 "{.status.containerStatuses[*].restartCount} {end}"});
    return (pods ? *pods : pods.error().message()) +
           versions_of({"-n", "pair", "services,secrets", "-l", "clusterName=two"});
  };
  const std::string before = state_of_two();
  EXPECT_THAT(before, HasSubstr("Secret two-pki"));
  EXPECT_TRUE(ok(one->remove()));
  EXPECT_EQ(state_of_two(), before);
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

// From a node of one cluster to a node of another: what carries the same VXLAN network identifier
// and is addressed as between nodes of that other one must not come out of its tunnel. The very
// same bytes do where a node of its own sends them.
TEST_F(IsolationTest, DropsVxlanForgedByAnotherCluster) {
  ensure_namespace("forge");
  const auto victim = create("forge", "victim", 1);
  const auto forger = create("forge", "forger");
  ASSERT_TRUE(ok(victim));
  ASSERT_TRUE(ok(forger));
  const auto target = jsonpath("forge", "pod/victim-worker-1-0", ".status.podIP");
  const auto source = jsonpath("forge", "pod/forger-master-1-0", ".status.podIP");
  const auto packet = packet_between(*victim, "victim-master-1", "victim-worker-1");
  ASSERT_TRUE(ok(target));
  ASSERT_TRUE(ok(source));
  ASSERT_TRUE(ok(packet));
  const auto send = [&](const std::string& pod) {
    return kubectl()({"-n", "forge", "exec", pod, "--", "bash", "-c",
                      fmt::format("for i in 1 2 3; do base64 -d <<<{} >/dev/udp/{}/14789; done",
                                  pki::base64_encode(*packet), *target)});
  };
  // Beside the node's own rules, before and after them: these drop nothing.
  ASSERT_TRUE(
      ok(kubectl()({"-n", "forge", "exec", "-i", "victim-worker-1-0", "--", "nft", "-f", "-"},
                   fmt::format(R"(table ip watch {{
  chain arrived {{
    type filter hook prerouting priority raw; policy accept;
    udp dport 14789 ip saddr {} counter
  }}
  chain delivered {{
    type filter hook input priority security; policy accept;
    iifname "vk8s-vxlan" udp dport {} counter
  }}
}}
)",
                               *source, kForgedPort))));
  const auto counted = [&](const std::string& chain, int packets) {
    return kubectl().wait_for_output({"-n", "forge", "exec", "victim-worker-1-0", "--", "nft",
                                      "list", "chain", "ip", "watch", chain},
                                     fmt::format("packets {} ", packets), seconds(20));
  };
  ASSERT_TRUE(ok(send("forger-master-1-0")));
  ASSERT_TRUE(ok(counted("arrived", 3)));
  EXPECT_TRUE(ok(counted("delivered", 0)));
  ASSERT_TRUE(ok(send("victim-master-1-0")));
  EXPECT_TRUE(ok(counted("delivered", 3)));
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
