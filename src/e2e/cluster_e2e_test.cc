// The main job: a Vk8s becomes a working Kubernetes.
#include <regex>
#include <set>

#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

// The sample of the README, once for all tests below.
class SampleTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    const std::string manifest =
        sys::read_file(std::string(VK8S_SOURCE_DIR) + "/config/samples/vk8s-1-37.yaml").value();
    auto cluster = VirtualCluster::create(host(), "default", "vk8s-1-37", manifest);
    ASSERT_TRUE(ok(cluster));
    cluster_.emplace(*std::move(cluster));
    ASSERT_TRUE(ok(inside().apply(web_manifest(3) + "---\n" + client_manifest())));
    ASSERT_TRUE(ok(inside().wait({"deployment/web"}, "condition=Available")));
    ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  }

  const Kubectl& inside() const { return cluster_->kubectl(); }
  Result<std::string> in_client(std::vector<std::string> command) const {
    command.insert(command.begin(), {"exec", "client", "--"});
    return inside()(std::move(command));
  }

  std::optional<VirtualCluster> cluster_;
};

TEST_F(SampleTest, IsRunningWithANodeOnEachHostNode) {
  const auto vk8s = kubectl().get({"vk8s", "vk8s-1-37"});
  ASSERT_TRUE(ok(vk8s));
  EXPECT_EQ(base::get_string(*vk8s, "status.phase"), "Running");
  EXPECT_EQ(base::get_string(*vk8s, "status.readyNodes"), "2/2");
  EXPECT_EQ(base::get_string(*vk8s, "status.version"), "1.37.2");
  const auto where = kubectl()(
      {"get", "pods", "-l", "clusterName=vk8s-1-37", "-o", "jsonpath={.items[*].spec.nodeName}"});
  ASSERT_TRUE(ok(where));
  EXPECT_THAT(*where, HasSubstr("host-1"));
  EXPECT_THAT(*where, HasSubstr("host-2"));
  const auto nodes = inside()({"get", "nodes", "--no-headers"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_THAT(*nodes, HasSubstr("vk8s-1-37-master-1"));
  EXPECT_THAT(*nodes, HasSubstr("vk8s-1-37-worker-1"));
  EXPECT_THAT(*nodes, Not(HasSubstr("NotReady")));
}

TEST_F(SampleTest, ServesADeploymentByItsDnsNameFromEveryNode) {
  std::set<std::string> answers;
  ASSERT_TRUE(ok(wait_until(
      [&] {
        const auto answer =
            in_client({"timeout", "5", "wget", "-qO-", "http://web.default.svc.cluster.local"});
        if (answer) {
          answers.insert(*answer);
        }
        return Answer{answers.size() == 3, answer ? *answer : answer.error().message()};
      },
      seconds(60), "all three pods answer")));
  const auto nodes =
      inside()({"get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_THAT(*nodes, HasSubstr("vk8s-1-37-master-1"));
  EXPECT_THAT(*nodes, HasSubstr("vk8s-1-37-worker-1"));
}

TEST_F(SampleTest, AnswersNamesOfServicesAndOfTheApiServer) {
  const auto name = in_client({"nslookup", "kubernetes.default.svc.cluster.local"});
  ASSERT_TRUE(ok(name));
  EXPECT_THAT(*name, HasSubstr("100.80.0.1"));
}

TEST_F(SampleTest, GivesLogsExecAndPortForward) {
  const auto logs = inside()({"logs", "client"});
  ASSERT_TRUE(ok(logs));
  EXPECT_EQ(*logs, "started\n");
  const auto hostname = in_client({"hostname"});
  ASSERT_TRUE(ok(hostname));
  EXPECT_EQ(*hostname, "client\n");
  // A shell of the test's own: forward, fetch, stop.
  const auto fetched = run(
      {.argv =
           {"bash", "-c",
            "set -eu; exec 3< <(\"$KUBECTL\" port-forward --address 127.0.0.1 svc/web :80 2>&1); "
            "forward=$!; trap 'kill $forward' EXIT; "
            "read -r -u 3 line; port=${line#*127.0.0.1:}; port=${port%% *}; "
            "curl -sS --max-time 10 \"http://127.0.0.1:$port/\""},
       .environment = {{"KUBECTL", inside().program()}, {"KUBECONFIG", inside().kubeconfig()}}});
  ASSERT_TRUE(ok(fetched));
  EXPECT_THAT(*fetched, HasSubstr("web-"));
}

TEST_F(SampleTest, KeepsWhatIsWrittenToAVolume) {
  ASSERT_TRUE(ok(in_client({"sh", "-c", "echo kept >/data/file"})));
  ASSERT_TRUE(ok(inside()({"delete", "pod", "client", "--wait=true"})));
  ASSERT_TRUE(ok(inside().apply(client_manifest())));
  ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  const auto read = in_client({"cat", "/data/file"});
  ASSERT_TRUE(ok(read));
  EXPECT_EQ(*read, "kept\n");
}

TEST_F(SampleTest, KeepsNothingOfTheHostInsideANode) {
  const auto environment = kubectl()({"exec", "vk8s-1-37-worker-1-0", "--", "bash", "-c",
                                      "cat /proc/1/environ | tr '\\0' '\\n'; "
                                      "ls /var/run/secrets/kubernetes.io 2>&1 || true"});
  ASSERT_TRUE(ok(environment));
  EXPECT_THAT(*environment, HasSubstr("No such file"));
  // The host's API server, as every container gets it; its children do not.
  const auto children = kubectl()(
      {"exec", "vk8s-1-37-worker-1-0", "--", "bash", "-c",
       "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/cmdline 2>/dev/null | head -1 | grep -q "
       "kubelet && tr '\\0' '\\n' <$p/environ; done; true"});
  ASSERT_TRUE(ok(children));
  EXPECT_THAT(*children, HasSubstr("PATH="));
  EXPECT_THAT(*children, Not(HasSubstr("KUBERNETES_")));
}

}  // namespace
}  // namespace vk8s::e2e
