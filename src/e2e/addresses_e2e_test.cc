// Fixed addresses, from the resource to the wire.
#include <algorithm>
#include <map>

#include "e2e/fixture.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

// Of the embedded host's own pool, the upper quarter of its pod network.
constexpr const char* kWish = "100.65.200.7";

class AddressesTest : public HostTest {
 protected:
  Result<std::string> show(const std::string& in, const std::string& what,
                           const std::string& path) const {
    return kubectl()({"-n", in, "get", what, "-o", "jsonpath=" + path});
  }
  std::string value(const std::string& what, const std::string& path) const {
    return show("fixed", what, path).value_or("");
  }
  std::string reserved(const std::string& node) const {
    return value("vk8s/keep", R"({.status.nodes[?(@.name==")" + node + R"(")].reservedIP})");
  }
  std::string host_node(const std::string& node) const {
    return value("pod/" + node + "-0", "{.spec.nodeName}");
  }

  // Another pod than that of `uid` is ready, and the cluster with it.
  Status wait_for_new_pod(const std::string& node, const std::string& uid) const {
    return wait_until(
        [&] {
          const std::string pod = value(
              "pod/" + node + "-0",
              R"({.metadata.uid} {.status.conditions[?(@.type=="Ready")].status} {.status.podIP})");
          const std::string phase = value("vk8s/keep", "{.status.phase}");
          const bool is_new = pod.find(" True ") != std::string::npos && !pod.starts_with(uid);
          return Answer{is_new && phase == "Running", phase + ": " + pod};
        },
        seconds(150), node + " has a new pod");
  }

  // Each node's pod has its own address, and its agent answers there from both nodes of
  // the host.
  void expect_addresses(const std::map<std::string, std::string>& wanted) const {
    for (const auto& [node, address] : wanted) {
      EXPECT_EQ(reserved(node), address);
      // For a while after its host node has come back a pod has none.
      std::string has;
      EXPECT_TRUE(ok(wait_until(
          [&] {
            has = value("pod/" + node + "-0", "{.status.podIP}");
            return Answer{!has.empty(), "none"};
          },
          seconds(60), node + " has an address")));
      EXPECT_EQ(has, address);
      ASSERT_EQ(host().network_namespaces().size(), 2U);
      for (const std::string& from : host().network_namespaces()) {
        const auto answers = [&, &at = address] {
          const auto code = run(
              {.argv = {"ip", "netns", "exec", from, "curl", "-sk", "--max-time", "3", "-o",
                        "/dev/null", "-w", "%{http_code}", "https://" + at + ":10300/healthz"}});
          return Answer{code && *code == "200", code ? *code : code.error().message()};
        };
        EXPECT_TRUE(ok(wait_until(answers, seconds(20), node + " answers from " + from)));
      }
    }
  }

  Status scale(const char* deployment, const char* replicas) const {
    VK8S_TRY(kubectl()({"-n", "vk8s-system", "scale", std::string("deployment/") + deployment,
                        std::string("--replicas=") + replicas}));
    if (std::string_view(replicas) == "0") {
      return kubectl().wait({"-n", "vk8s-system", "pods", "-l", std::string("app=") + deployment},
                            "delete", seconds(60));
    }
    VK8S_TRY(kubectl()({"-n", "vk8s-system", "rollout", "status",
                        std::string("deployment/") + deployment, "--timeout=60s"}));
    return {};
  }

  // Every allocation and its pod agree, so many of them.
  void expect_checked(const std::string& number) const {
    const auto check = host().cli({"ip", "check"});
    ASSERT_TRUE(ok(check));
    EXPECT_THAT(*check, StartsWith(number + " addresses of "));
  }

  // Nobody has an address, and nothing is wrong.
  void expect_no_traces() const {
    EXPECT_TRUE(ok(wait_until(
        [&] {
          const auto left = kubectl()({"get", "ipallocations", "-o", "name"});
          return Answer{left && left->empty(), left ? *left : left.error().message()};
        },
        seconds(60), "every address is given back")));
    expect_checked("0");
  }
};

TEST_F(AddressesTest, StayOverEverythingThatHappensToAClusterAndGoWithIt) {
  ensure_namespace("fixed");
  auto cluster = VirtualCluster::create(
      host(), "fixed", "keep",
      vk8s_manifest("fixed", "keep", 0, "  network: {staticIPs: true}\n") +
          fmt::format("  - {{name: keep-worker-1, role: worker, ip: {}}}\n", kWish));
  ASSERT_TRUE(ok(cluster));
  const std::map<std::string, std::string> wanted = {{"keep-master-1", reserved("keep-master-1")},
                                                     {"keep-worker-1", kWish}};
  ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  const auto uid = [&](const std::string& node) {
    return value("pod/" + node + "-0", "{.metadata.uid}");
  };

  {
    SCOPED_TRACE("the pods are deleted");
    for (const char* node : {"keep-worker-1", "keep-master-1"}) {
      const std::string before = uid(node);
      ASSERT_TRUE(ok(kubectl()({"-n", "fixed", "delete", "pod", std::string(node) + "-0"})));
      ASSERT_TRUE(ok(wait_for_new_pod(node, before)));
    }
    ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  }
  {
    SCOPED_TRACE("the cluster is paused and resumed");
    const std::string before = uid("keep-master-1");
    ASSERT_TRUE(ok(host().cli({"pause", "keep", "-n", "fixed"})));
    ASSERT_TRUE(ok(kubectl().wait({"-n", "fixed", "pods", "-l", "clusterName=keep"}, "delete")));
    EXPECT_EQ(reserved("keep-worker-1"), kWish) << "kept though no pod has it";
    ASSERT_TRUE(ok(host().cli({"resume", "keep", "-n", "fixed"})));
    ASSERT_TRUE(ok(wait_for_new_pod("keep-master-1", before)));
    ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  }
  {
    SCOPED_TRACE("the worker's host node is restarted");
    ASSERT_TRUE(ok(host().restart_node(host_node("keep-worker-1"))));
    ASSERT_TRUE(ok(cluster->wait_for_phase("Running", seconds(180))));
    ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  }
  {
    SCOPED_TRACE("the worker moves to the other host node");
    const std::string from = host_node("keep-worker-1");
    const std::string before = uid("keep-worker-1");
    ASSERT_TRUE(ok(kubectl()({"cordon", from})));
    const auto deleted = kubectl()({"-n", "fixed", "delete", "pod", "keep-worker-1-0"});
    const Status moved = wait_for_new_pod("keep-worker-1", before);
    ASSERT_TRUE(ok(kubectl()({"uncordon", from})));
    ASSERT_TRUE(ok(deleted));
    ASSERT_TRUE(ok(moved));
    EXPECT_NE(host_node("keep-worker-1"), from);
    ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  }
  {
    SCOPED_TRACE("another cluster wants one of them");
    ASSERT_TRUE(ok(kubectl().apply(
        fmt::format("apiVersion: vk8s.sktelecom.com/v1alpha1\n"
                    "kind: Vk8s\n"
                    "metadata: {{namespace: fixed, name: rival}}\n"
                    "spec: {{nodes: [{{name: rival-master-1, role: master, ip: {}}}]}}\n",
                    kWish))));
    ASSERT_TRUE(ok(kubectl().wait({"-n", "fixed", "vk8s/rival"}, "condition=AddressUnavailable",
                                  seconds(20))));
    const std::string message = value("vk8s/rival", "{.status.message}");
    EXPECT_THAT(message, HasSubstr("spec.nodes[].ip 100.65.200.7 of node \"rival-master-1\""));
    EXPECT_THAT(message, HasSubstr("fixed/keep-worker-1-0"));
    const auto made = kubectl()({"-n", "fixed", "get", "-l", "clusterName=rival", "-o", "name",
                                 "statefulsets,services,secrets"});
    ASSERT_TRUE(ok(made));
    EXPECT_EQ(*made, "") << "nothing is half created";
    // It has what it waits for once the first is gone.
    ASSERT_NO_FATAL_FAILURE(expect_checked("2"));
    ASSERT_TRUE(ok(cluster->remove()));
    ASSERT_TRUE(ok(kubectl().wait({"-n", "fixed", "vk8s/rival"}, "jsonpath={.status.phase}=Running",
                                  seconds(120))));
    EXPECT_EQ(value("pod/rival-master-1-0", "{.status.podIP}"), kWish);
  }
  const auto rival = VirtualCluster::attach(host(), "fixed", "rival");
  ASSERT_TRUE(ok(rival));
  EXPECT_TRUE(ok(rival->remove()));
  expect_no_traces();
}

TEST_F(AddressesTest, OutliveTheProgramsThatGiveThem) {
  ensure_namespace("fixed");
  const std::string fixed = "  network: {staticIPs: true}\n";
  const auto cluster =
      VirtualCluster::create(host(), "fixed", "keep", vk8s_manifest("fixed", "keep", 1, fixed));
  ASSERT_TRUE(ok(cluster));
  const std::map<std::string, std::string> wanted = {{"keep-master-1", reserved("keep-master-1")},
                                                     {"keep-worker-1", reserved("keep-worker-1")}};
  {
    SCOPED_TRACE("nobody is there who gives addresses, and a pod dies");
    ASSERT_TRUE(ok(scale("vk8s-controller-manager", "0")));
    ASSERT_TRUE(ok(scale("vk8s-ip-manager", "0")));
    const std::string before = value("pod/keep-worker-1-0", "{.metadata.uid}");
    ASSERT_TRUE(ok(kubectl()({"-n", "fixed", "delete", "pod", "keep-worker-1-0"})));
    ASSERT_TRUE(ok(wait_for_new_pod("keep-worker-1", before)));
    ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
    EXPECT_TRUE(ok(
        cluster->kubectl()({"wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"})));
  }
  {
    SCOPED_TRACE("a cluster is asked for meanwhile, and both die while they make it");
    ASSERT_TRUE(ok(kubectl().apply(vk8s_manifest("fixed", "late", 1, fixed))));
    for (const char* name : {"vk8s-ip-manager", "vk8s-controller-manager"}) {
      ASSERT_TRUE(ok(scale(name, "1")));
    }
    ASSERT_TRUE(ok(kubectl().wait_for_output({"get", "ipallocations", "-o", "jsonpath={.items}"},
                                             "late-master-1")));
    for (const char* name : {"vk8s-ip-manager", "vk8s-controller-manager"}) {
      ASSERT_TRUE(ok(kubectl()({"-n", "vk8s-system", "delete", "pod", "-l",
                                std::string("app=") + name, "--grace-period=0", "--force"})));
    }
    ASSERT_TRUE(ok(kubectl().wait({"-n", "fixed", "vk8s/late"}, "jsonpath={.status.phase}=Running",
                                  seconds(150))));
  }
  ASSERT_NO_FATAL_FAILURE(expect_addresses(wanted));
  expect_checked("4");
  const auto late = VirtualCluster::attach(host(), "fixed", "late");
  ASSERT_TRUE(ok(late));
  EXPECT_TRUE(ok(late->remove()));
  EXPECT_TRUE(ok(cluster->remove()));
  expect_no_traces();
}

}  // namespace
}  // namespace vk8s::e2e
