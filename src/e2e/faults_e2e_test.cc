// What a cluster survives: the controller, programs inside a node, whole nodes.
#include <fmt/ranges.h>

#include <algorithm>

#include "api/version_catalogue.h"
#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class FaultsTest : public HostTest {
 protected:
  Result<std::string> in_node(const std::string& in, const std::string& node,
                              const std::string& script) const {
    return kubectl()({"-n", in, "exec", node + "-0", "--", "bash", "-c", script});
  }
  // Until phase and condition have all of these words.
  Status says(const std::string& in, const std::string& name,
              const std::vector<std::string>& words) const;
  // As an administrator does who lets users name images of the host's registry themselves. The next
  // installation takes it back.
  Status allow_images_of_the_registry() const;
  // The process of a component, by its log's owner: the agent's own child.
  Result<std::string> pid_of(const std::string& in, const std::string& node,
                             const std::string& program) const {
    return in_node(in, node,
                   "for p in /proc/[0-9]*; do read -r -d '' arg <$p/cmdline || true; "
                   "if [[ ${arg##*/} == " +
                       program + " ]]; then echo ${p#/proc/}; exit; fi; done 2>/dev/null");
  }
};

std::string one_master(const std::string& in, const std::string& name, const std::string& image) {
  return fmt::format(R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {{namespace: {0}, name: {1}}}
spec: {{nodes: [{{name: {1}-master-1, role: master, image: "{2}"}}]}}
)",
                     in, name, image);
}

Status FaultsTest::says(const std::string& in, const std::string& name,
                        const std::vector<std::string>& words) const {
  const Kubectl::Arguments ready = {
      "-n",
      in,
      "get",
      "vk8s",
      name,
      "-o",
      R"(jsonpath={.status.phase}: {.status.conditions[?(@.type=="Ready")].message})"};
  return wait_until(
      [&] {
        const auto text = kubectl()(ready);
        const bool all = text && std::all_of(words.begin(), words.end(), [&](const auto& word) {
                           return text->find(word) != std::string::npos;
                         });
        return Answer{all, text ? *text : text.error().message()};
      },
      seconds(15), fmt::format("{}/{} says {}", in, name, fmt::join(words, ", ")));
}

Status FaultsTest::allow_images_of_the_registry() const {
  const std::string key = "vnode-image-prefix";
  const Kubectl::Arguments config = {"-n",
                                     "vk8s-system",
                                     "get",
                                     "configmap",
                                     "vk8s-controller-config",
                                     "-o",
                                     "jsonpath={.data.config\\.toml}"};
  const std::string before = VK8S_TRY(kubectl()(config));
  if (before.find(key) != std::string::npos) {
    return {};
  }
  const Json patch =
      JsonObject{{"data", JsonObject{{"config.toml", fmt::format("{}{} = [\"{}/vk8s/\"]\n", before,
                                                                 key, host().registry())}}}};
  VK8S_TRY(kubectl()({"-n", "vk8s-system", "patch", "configmap", "vk8s-controller-config",
                      "--type=merge", "-p", base::to_string(patch)}));
  // It reads its configuration as it starts.
  VK8S_TRY(kubectl()({"-n", "vk8s-system", "delete", "pods", "-l", "app=vk8s-controller-manager"}));
  VK8S_TRY(kubectl()({"-n", "vk8s-system", "rollout", "status",
                      "deployment/vk8s-controller-manager", "--timeout=50s"}));
  return {};
}

TEST_F(FaultsTest, BecomesRunningThoughTheControllerIsKilledAgainAndAgain) {
  ensure_namespace("killed");
  ASSERT_TRUE(ok(kubectl().apply(vk8s_manifest("killed", "one", 1))));
  // It ends in good order, and gives its lease back.
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        ok(kubectl()({"-n", "vk8s-system", "delete", "pod", "-l", "app=vk8s-controller-manager",
                      "--grace-period=0", "--force", "--wait=false"})));
  }
  // And once by a fault, while the nodes start.
  const Kubectl::Arguments pods = {"-n", "killed", "get", "pods", "-o", "name"};
  ASSERT_TRUE(ok(kubectl().wait_for_output(pods, "one-master-1-0")));
  ASSERT_TRUE(ok(kubectl().wait_for_output(pods, "one-worker-1-0")));
  ASSERT_TRUE(ok(kill_controller()));
  const auto phase =
      kubectl()({"-n", "killed", "get", "vk8s", "one", "-o", "jsonpath={.status.phase}"});
  ASSERT_TRUE(ok(phase));
  EXPECT_NE(*phase, "Running") << "it was killed too late to show anything";
  ASSERT_TRUE(ok(kubectl().wait({"-n", "killed", "vk8s/one"}, "jsonpath={.status.phase}=Running",
                                seconds(120))));
  const auto cluster = VirtualCluster::attach(host(), "killed", "one");
  ASSERT_TRUE(ok(cluster));
  EXPECT_TRUE(ok(cluster->kubectl()({"get", "nodes"})));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(FaultsTest, RestartsEveryProgramOfANodeWithinSecondsAndLosesNothing) {
  ensure_namespace("programs");
  auto cluster =
      VirtualCluster::create(host(), "programs", "one", vk8s_manifest("programs", "one", 0));
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(ok(cluster->kubectl()({"create", "configmap", "mark", "--from-literal=k=v"})));
  for (const char* program : {"etcd", "kube-apiserver", "containerd", "kubelet", "kube-proxy",
                              "kube-controller-manager", "kube-scheduler", "coredns"}) {
    const auto before = pid_of("programs", "one-master-1", program);
    ASSERT_TRUE(ok(before)) << program;
    ASSERT_NE(*before, "") << program;
    ASSERT_TRUE(ok(in_node("programs", "one-master-1", "kill -9 " + *before)));
    ASSERT_TRUE(ok(wait_until(
        [&] {
          const auto now = pid_of("programs", "one-master-1", program);
          return Answer{now && !now->empty() && *now != *before, now ? *now : ""};
        },
        seconds(5), std::string(program) + " runs again")));
  }
  ASSERT_TRUE(ok(cluster->kubectl().wait_for_output({"get", "configmap", "mark", "-o", "yaml"},
                                                    "k: v", seconds(30))));
  ASSERT_TRUE(ok(cluster->kubectl().wait_for_output({"get", "nodes"}, " Ready ", seconds(30))));
  EXPECT_TRUE(ok(cluster->wait_for_phase("Running")));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(FaultsTest, ComesBackWithItsStateWhenThePodsOfItsNodesAreDeleted) {
  ensure_namespace("pods");
  auto cluster = VirtualCluster::create(host(), "pods", "one", vk8s_manifest("pods", "one", 1));
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(ok(cluster->kubectl().apply(web_manifest(2))));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"deployment/web"}, "condition=Available")));
  for (const char* pods : {"one-worker-1-0", "one-master-1-0"}) {
    ASSERT_TRUE(ok(kubectl()({"-n", "pods", "delete", "pod", pods})));
    ASSERT_TRUE(ok(kubectl().wait_for_output(
        {"-n", "pods", "get", "vk8s", "one", "-o", "jsonpath={.status.readyNodes}"}, "2/2",
        seconds(90))));
  }
  ASSERT_TRUE(
      ok(cluster->kubectl().wait_for_output({"get", "deployment", "web"}, "2/2", seconds(60))));
  const auto nodes = cluster->kubectl()({"get", "nodes", "--no-headers"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_THAT(*nodes, testing::Not(HasSubstr("NotReady")));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(FaultsTest, NamesTheImageThatCannotBePulledAndRecovers) {
  ensure_namespace("image");
  ASSERT_TRUE(ok(allow_images_of_the_registry()));
  const std::string name = host().registry() + "/vk8s/absent:v1.37.2";
  ASSERT_TRUE(ok(kubectl().apply(one_master("image", "bad", name))));
  ASSERT_TRUE(ok(says("image", "bad", {"ErrImagePull", name, "not found"})));
  ASSERT_TRUE(ok(kubectl()({"-n", "image", "patch", "vk8s", "bad", "--type=json", "-p",
                            R"([{"op":"remove","path":"/spec/nodes/0/image"}])"})));
  ASSERT_TRUE(ok(kubectl().wait({"-n", "image", "vk8s/bad"}, "jsonpath={.status.phase}=Running",
                                seconds(90))));
  EXPECT_TRUE(ok(kubectl()({"-n", "image", "delete", "vk8s", "bad"})));
}

// The registry as users see it: stopped, and started again by `host up`.
class RegistryOutage {
 public:
  explicit RegistryOutage(const Host& host) : host_(host), begun_(host.stop_registry()) {}
  ~RegistryOutage() {
    if (!ended_) {
      EXPECT_TRUE(ok(host_.repair())) << "the tests after this one have no registry";
    }
  }
  RegistryOutage(const RegistryOutage&) = delete;
  RegistryOutage& operator=(const RegistryOutage&) = delete;

  const Status& begun() const { return begun_; }
  Status end() {
    ended_ = true;
    return host_.repair();
  }

 private:
  const Host& host_;
  Status begun_;
  bool ended_ = false;
};

TEST_F(FaultsTest, SaysThatTheRegistryIsAwayAndRecovers) {
  ensure_namespace("registry");
  ASSERT_TRUE(ok(allow_images_of_the_registry()));
  // By its tag, so that nodes which have the image by its digest ask the registry all the same.
  const std::string image =
      fmt::format("{}/vk8s/vnode:v{}", host().registry(), api::releases().front().version);
  RegistryOutage outage(host());
  ASSERT_TRUE(ok(outage.begun()));
  ASSERT_TRUE(ok(kubectl().apply(one_master("registry", "one", image))));
  ASSERT_TRUE(ok(says("registry", "one", {"ErrImagePull", image, "connection refused"})));
  ASSERT_TRUE(ok(outage.end()));
  ASSERT_TRUE(ok(kubectl().wait({"-n", "registry", "vk8s/one"}, "jsonpath={.status.phase}=Running",
                                seconds(120))));
  const auto cluster = VirtualCluster::attach(host(), "registry", "one");
  ASSERT_TRUE(ok(cluster));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(FaultsTest, SaysWhatPodSecurityRefusesAndRecovers) {
  ensure_namespace("secure");
  ASSERT_TRUE(ok(kubectl()({"label", "--overwrite", "namespace", "secure",
                            "pod-security.kubernetes.io/enforce=baseline"})));
  ASSERT_TRUE(ok(kubectl().apply(vk8s_manifest("secure", "one", 0))));
  ASSERT_TRUE(ok(kubectl().wait_for_output(
      {"-n", "secure", "get", "vk8s", "one", "-o", "jsonpath={.status.phase} {.status.message}"},
      "violates PodSecurity", seconds(15))));
  ASSERT_TRUE(ok(kubectl()({"label", "--overwrite", "namespace", "secure",
                            "pod-security.kubernetes.io/enforce=privileged"})));
  ASSERT_TRUE(ok(kubectl().wait({"-n", "secure", "vk8s/one"}, "jsonpath={.status.phase}=Running",
                                seconds(120))));
  EXPECT_TRUE(ok(kubectl()({"-n", "secure", "delete", "vk8s", "one"})));
}

TEST_F(FaultsTest, SaysWhatTheHostCannotSchedule) {
  ensure_namespace("large");
  ASSERT_TRUE(ok(kubectl().apply(R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {namespace: large, name: huge}
spec: {nodes: [{name: huge-master-1, role: master, resources: {requests: {cpu: "900"}, limits: {cpu: "900"}}}]}
)")));
  EXPECT_TRUE(ok(kubectl().wait_for_output(
      {"-n", "large", "get", "vk8s", "huge", "-o", "jsonpath={.status.message}"},
      "Insufficient cpu", seconds(15))));
  EXPECT_TRUE(ok(kubectl()({"-n", "large", "delete", "vk8s", "huge"})));
}

TEST_F(FaultsTest, SaysThatAStorageClassIsMissingAndGoesOnOnceItIsThere) {
  ensure_namespace("storage");
  ASSERT_TRUE(ok(kubectl().apply(R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {namespace: storage, name: one}
spec: {nodes: [{name: one-master-1, role: master, storage: {storageClassName: later}}]}
)")));
  EXPECT_TRUE(ok(kubectl().wait_for_output(
      {"-n", "storage", "get", "vk8s", "one", "-o", "jsonpath={.status.message}"},
      "PersistentVolumeClaim", seconds(15))));
  ASSERT_TRUE(ok(kubectl().apply(R"(apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: later}
provisioner: vk8s.sktelecom.com/local
volumeBindingMode: WaitForFirstConsumer
)")));
  EXPECT_TRUE(ok(kubectl().wait({"-n", "storage", "vk8s/one"}, "jsonpath={.status.phase}=Running",
                                seconds(120))));
  EXPECT_TRUE(ok(kubectl()({"-n", "storage", "delete", "vk8s", "one"})));
  EXPECT_TRUE(ok(kubectl()({"delete", "storageclass", "later"})));
}

// The quick start of the older project, as it was.
TEST_F(FaultsTest, AcceptsAnOldManifestAndNamesEachThingThatCannotBeMet) {
  ensure_namespace("old");
  ASSERT_TRUE(ok(kubectl().apply(R"(apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata:
  namespace: old
  name: vk8s-1-20
  annotations: {vk8s-1-20-master-1: tesla-v100}
spec:
  kubeflow: {version: "1.4", email: user@example.com, password: plain-text-password}
  nodes:
  - name: vk8s-1-20-master-1
    image: registry.example.com/vk8s:v1.20.2
    role: master
    resources: {limits: {cpu: "4", memory: 8Gi, nvidia.com/gpu: "1"}}
)")));
  const std::vector<std::string> conditions = {
      "-n",
      "old",
      "get",
      "vk8s",
      "vk8s-1-20",
      "-o",
      "jsonpath={range .status.conditions[*]}{.type}={.status} {.message}\n{end}"};
  for (const char* cause : {"nvidia.com/gpu", "scale/node.gpu.type=tesla-v100", "1.4",
                            "registry.example.com/vk8s:v1.20.2"}) {
    EXPECT_TRUE(ok(kubectl().wait_for_output(conditions, cause, seconds(15)))) << cause;
  }
  const auto spec = kubectl()({"-n", "old", "get", "vk8s", "vk8s-1-20", "-o", "jsonpath={.spec}"});
  ASSERT_TRUE(ok(spec));
  EXPECT_THAT(*spec, testing::Not(HasSubstr("plain-text-password")));
  const auto made = kubectl()({"-n", "old", "get", "statefulsets,services", "-o", "name"});
  ASSERT_TRUE(ok(made));
  EXPECT_THAT(*made, testing::Not(HasSubstr("vk8s-1-20")));
  EXPECT_TRUE(ok(kubectl()({"-n", "old", "delete", "vk8s", "vk8s-1-20"})));
}

}  // namespace
}  // namespace vk8s::e2e
