// The main job: a Vk8s becomes a working Kubernetes.
#include <set>

#include "base/text.h"
#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const std::string kSample = std::string(VK8S_SOURCE_DIR) + "/config/samples/vk8s-1-37.yaml";

// First: the cluster it makes is the one of the tests below.
class QuickstartTest : public HostTest {
 protected:
  Result<std::string> quickstart() const { return host().quickstart({"--sample", kSample}); }

  // Whatever a run could have changed, on the machine, on the host and inside the cluster.
  std::string state(const Kubectl& inside) const {
    std::string out;
    const auto status = host().status();
    const JsonArray* nodes = status ? base::get_array(*status, "nodes") : nullptr;
    for (const Json& node : nodes == nullptr ? JsonArray() : *nodes) {
      out += fmt::format("{} is process {}\n", base::get_string(node, "name").value_or("?"),
                         base::get_int(node, "pid").value_or(0));
    }
    out += versions_of({"-n", "vk8s-system",
                        "deployments,replicasets,pods,configmaps,secrets,serviceaccounts,roles,"
                        "rolebindings"});
    out += versions_of({"-n", "default",
                        "vk8s,statefulsets,pods,services,secrets,configmaps,networkpolicies,"
                        "persistentvolumeclaims"});
    out += versions_of({"crds,clusterroles,clusterrolebindings", "-l", "app=vk8s"});
    const auto pods =
        inside({"get", "pods", "-o",
                "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.startTime} "
                "{.metadata.resourceVersion}{\"\\n\"}{end}"});
    return out + (pods ? *pods : pods.error().message());
  }
};

// What is printed as the next steps, pasted into a shell.
Result<std::string> follow(std::string_view printed, const std::string& then) {
  std::string script;
  for (const std::string_view line : base::split(printed, '\n')) {
    if (base::trim(line).starts_with("export ")) {
      script += std::string(line) + "\n";
    }
  }
  return run({.argv = {"bash", "-euc", script + then}});
}

TEST_F(QuickstartTest, MakesTheSampleRunAndChangesNothingWhenItRunsAgain) {
  const auto first = quickstart();
  ASSERT_TRUE(ok(first));
  EXPECT_THAT(*first, HasSubstr("vk8s-1-37: Running 2/2"));
  EXPECT_THAT(*first, HasSubstr("a pod in the cluster"));
  EXPECT_THAT(*first, HasSubstr("kubectl vk8s shell vk8s-1-37"));
  const auto seen = follow(*first,
                           "kubectl get vk8s\n"
                           "echo 'kubectl get pods' | kubectl vk8s shell vk8s-1-37");
  ASSERT_TRUE(ok(seen));
  EXPECT_THAT(*seen, testing::ContainsRegex("vk8s-1-37 +Running"));
  EXPECT_THAT(*seen, testing::ContainsRegex("hello +1/1 +Running"));

  const auto cluster = VirtualCluster::attach(host(), "default", "vk8s-1-37");
  ASSERT_TRUE(ok(cluster));
  const auto before = settled([&] { return state(cluster->kubectl()); });
  ASSERT_TRUE(ok(before));
  EXPECT_THAT(*before, HasSubstr("hello"));
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(ok(quickstart()));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(60));
  EXPECT_EQ(state(cluster->kubectl()), *before);
}

// The sample of the README, once for all tests below.
class SampleTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    auto cluster =
        VirtualCluster::create(host(), "default", "vk8s-1-37", sys::read_file(kSample).value());
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
  // DNS is not waited for on the way to Ready.
  ASSERT_TRUE(ok(inside().wait_for_output(
      {"exec", "client", "--", "nslookup", "kubernetes.default.svc.cluster.local"}, "100.80.0.1",
      seconds(30))));
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
