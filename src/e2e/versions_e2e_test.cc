// The same work on every Kubernetes version of the catalogue.
#include <algorithm>
#include <set>

#include "api/version_catalogue.h"
#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

std::string sample_name(const api::KubernetesRelease& release) {
  std::string name = fmt::format("vk8s-{}", release.minor);
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

// The sample of one version, in a namespace of its own; its parameter is the version.
class VersionsTest : public HostTest, public testing::WithParamInterface<api::KubernetesRelease> {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    if (!is_installed()) {
      GTEST_SKIP() << "no node image of Kubernetes " << GetParam().minor
                   << " is installed: run ./test.sh full";
    }
    name_ = sample_name(GetParam());
    ensure_namespace(name_);
    const std::string manifest =
        sys::read_file(fmt::format("{}/config/samples/{}.yaml", VK8S_SOURCE_DIR, name_)).value();
    ASSERT_TRUE(ok(kubectl()({"-n", name_, "apply", "--server-side", "-f", "-"}, manifest)));
    ASSERT_TRUE(ok(kubectl().wait({"-n", name_, "vk8s/" + name_},
                                  "jsonpath={.status.phase}=Running", seconds(180))));
    auto cluster = VirtualCluster::attach(host(), name_, name_);
    ASSERT_TRUE(ok(cluster));
    cluster_.emplace(*std::move(cluster));
  }

  void TearDown() override {
    HostTest::TearDown();
    if (cluster_) {
      EXPECT_TRUE(ok(cluster_->remove()));
    }
  }

  // What the operator was told: its generated ConfigMap.
  bool is_installed() const {
    const auto config = kubectl()({"-n", "vk8s-system", "get", "configmap", "-l",
                                   "app=vk8s-controller-manager", "-o", "yaml"});
    return config && config->find(fmt::format("\"{}=", GetParam().minor)) != std::string::npos;
  }

  const Kubectl& inside() const { return cluster_->kubectl(); }
  Result<std::string> in_client(std::vector<std::string> command) const {
    command.insert(command.begin(), {"exec", "client", "--"});
    return inside()(std::move(command));
  }

  void expect_nodes();
  void expect_service_by_name();
  void expect_volume();

  std::string name_;
  std::optional<VirtualCluster> cluster_;
};

void VersionsTest::expect_nodes() {
  const auto nodes = inside()({"get", "nodes", "--no-headers"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_THAT(*nodes, HasSubstr(name_ + "-master-1"));
  EXPECT_THAT(*nodes, HasSubstr(name_ + "-worker-1"));
  EXPECT_THAT(*nodes, HasSubstr(fmt::format("v{}", GetParam().version)));
  EXPECT_THAT(*nodes, Not(HasSubstr("NotReady")));
  const auto version =
      kubectl()({"-n", name_, "get", "vk8s", name_, "-o", "jsonpath={.status.version}"});
  ASSERT_TRUE(ok(version));
  EXPECT_EQ(*version, GetParam().version);
}

// From one node to pods on both, through DNS and a Service.
void VersionsTest::expect_service_by_name() {
  const std::string fetch =
      "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 web.default.svc.cluster.local 80 | tail -n 1";
  std::set<std::string> answers;
  EXPECT_TRUE(ok(wait_until(
      [&] {
        const auto answer = in_client({"sh", "-c", fetch});
        if (answer && !answer->empty()) {
          answers.insert(*answer);
        }
        return Answer{answers.size() == 3, answer ? *answer : answer.error().message()};
      },
      seconds(60), "all three pods answer")));
  const auto where =
      inside()({"get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}"});
  ASSERT_TRUE(ok(where));
  EXPECT_THAT(*where, HasSubstr(name_ + "-master-1"));
  EXPECT_THAT(*where, HasSubstr(name_ + "-worker-1"));
  const auto address = in_client({"nslookup", "kubernetes.default.svc.cluster.local"});
  ASSERT_TRUE(ok(address));
  EXPECT_THAT(*address, HasSubstr("100.80.0.1"));
}

void VersionsTest::expect_volume() {
  ASSERT_TRUE(ok(in_client({"sh", "-c", "echo kept >/data/file"})));
  ASSERT_TRUE(ok(inside()({"delete", "pod", "client", "--wait=true"})));
  ASSERT_TRUE(ok(inside().apply(client_manifest())));
  ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  const auto read = in_client({"cat", "/data/file"});
  ASSERT_TRUE(ok(read));
  EXPECT_EQ(*read, "kept\n");
}

TEST_P(VersionsTest, RunsADeploymentWithDnsAndVolumes) {
  expect_nodes();
  ASSERT_TRUE(ok(inside().apply(web_manifest(3) + "---\n" + client_manifest())));
  ASSERT_TRUE(ok(inside().wait({"deployment/web"}, "condition=Available")));
  ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  expect_service_by_name();
  expect_volume();
  const auto logs = inside()({"logs", "client"});
  ASSERT_TRUE(ok(logs));
  EXPECT_EQ(*logs, "started\n");
}

std::string name_of_version(const testing::TestParamInfo<api::KubernetesRelease>& version) {
  std::string name = "Kubernetes" + std::string(version.param.minor);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// From the version before the default, its parameter, to the default.
class UpgradeTest : public VersionsTest {
 protected:
  Result<std::string> set_version(std::string_view minor) const {
    return kubectl()({"-n", name_, "patch", "vk8s", name_, "--type=merge", "-p",
                      fmt::format(R"({{"spec":{{"kubernetes":{{"version":"{}"}}}}}})", minor)});
  }
  // "v1.37.2 v1.36.3": kubelets of the master and the worker.
  Result<std::string> kubelets() const {
    return inside()({"get", "nodes", "--sort-by=.metadata.name", "-o",
                     "jsonpath={.items[*].status.nodeInfo.kubeletVersion}"});
  }
  void expect_order_of_upgrade(const api::KubernetesRelease& to) const;
};

// The master goes first: a kubelet is never newer than its API server. The controller dies while
// the master is replaced, and another one goes on.
void UpgradeTest::expect_order_of_upgrade(const api::KubernetesRelease& to) const {
  const std::string newer = fmt::format("v{}", to.version);
  const std::string older = fmt::format("v{}", GetParam().version);
  std::set<std::string> seen;
  std::optional<Status> killed;
  ASSERT_TRUE(ok(wait_until(
      [&] {
        const auto now = kubelets();
        if (!killed && (!now || now->starts_with(newer))) {
          killed = kill_controller();
        }
        if (!now) {
          return Answer{false, now.error().message()};  // the API server is being replaced
        }
        seen.insert(*now);
        return Answer{*now == newer + " " + newer, *now};
      },
      seconds(300), "both nodes are upgraded")));
  ASSERT_TRUE(killed);
  EXPECT_TRUE(ok(*killed));
  EXPECT_FALSE(seen.contains(older + " " + newer));
}

TEST_P(UpgradeTest, GoesUpOneVersionNodeByNodeWithItsState) {
  const api::KubernetesRelease& to = api::releases().front();
  ASSERT_TRUE(ok(inside().apply(web_manifest(3) + "---\n" + client_manifest())));
  ASSERT_TRUE(ok(inside().wait({"deployment/web"}, "condition=Available")));
  ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  ASSERT_TRUE(ok(in_client({"sh", "-c", "echo kept >/data/file"})));
  ASSERT_TRUE(ok(inside()({"create", "configmap", "kept", "--from-literal=key=value"})));

  ASSERT_TRUE(ok(set_version(to.minor)));
  ASSERT_NO_FATAL_FAILURE(expect_order_of_upgrade(to));
  ASSERT_TRUE(ok(inside().wait({"nodes", "--all"}, "condition=Ready")));
  ASSERT_TRUE(ok(inside().wait_for_output(
      {"get", "nodes", "-o", "jsonpath=unschedulable:{.items[*].spec.unschedulable}."},
      "unschedulable:.")));
  ASSERT_TRUE(ok(cluster_->wait_for_phase("Running")));
  const auto version =
      kubectl()({"-n", name_, "get", "vk8s", name_, "-o", "jsonpath={.status.version}"});
  ASSERT_TRUE(ok(version));
  EXPECT_EQ(*version, to.version);

  ASSERT_TRUE(ok(inside().wait({"deployment/web"}, "condition=Available")));
  ASSERT_TRUE(ok(inside().wait({"pod/client"}, "condition=Ready")));
  const auto file = in_client({"cat", "/data/file"});
  ASSERT_TRUE(ok(file));
  EXPECT_EQ(*file, "kept\n");
  const auto kept = inside()({"get", "configmap", "kept", "-o", "jsonpath={.data.key}"});
  ASSERT_TRUE(ok(kept));
  EXPECT_EQ(*kept, "value");

  // There is no way back.
  ASSERT_TRUE(ok(set_version(GetParam().minor)));
  ASSERT_TRUE(ok(kubectl().wait_for_output(
      {"-n", name_, "get", "vk8s", name_, "-o", "jsonpath={.status.message}"}, "never down")));
  EXPECT_TRUE(ok(kubelets()));
}

// The default version has its own, longer test (SampleTest).
INSTANTIATE_TEST_SUITE_P(Catalogue, VersionsTest,
                         testing::ValuesIn(api::releases().subspan(1).begin(),
                                           api::releases().end()),
                         name_of_version);
INSTANTIATE_TEST_SUITE_P(ToTheDefault, UpgradeTest, testing::Values(api::releases()[1]),
                         name_of_version);

}  // namespace
}  // namespace vk8s::e2e
