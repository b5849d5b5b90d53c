// What becomes of a running cluster: ports, nodes that come and go, pause, deletion.
#include <algorithm>

#include "e2e/fixture.h"
#include "e2e/workload.h"

namespace vk8s::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class LifecycleTest : public HostTest {
 protected:
  Result<std::string> fetch(const std::string& url) const {
    return run({.argv = {"curl", "-sS", "--max-time", "5", url}});
  }
  Status fetch_until(const std::string& url, const std::string& text) const {
    return wait_until(
        [&] {
          const auto answer = fetch(url);
          return answer ? Answer{answer->find(text) != std::string::npos, *answer}
                        : Answer{false, answer.error().message()};
        },
        seconds(60), text + " at " + url);
  }

  // A node whose state goes with its pod is given no volumes: in a cluster with web
  // on it and a worker without storage.
  static void expect_no_volumes_on(const Kubectl& inside, const std::string& worker) {
    const std::string message =
        R"(jsonpath={.status.conditions[?(@.type=="PodScheduled")].message})";
    ASSERT_TRUE(ok(inside.apply(client_manifest(worker))));
    ASSERT_TRUE(ok(inside.wait_for_output({"get", "pod", "client", "-o", message},
                                          "didn't find available persistent volumes to bind")));
    // Nor by a class that does not tell the scheduler.
    ASSERT_TRUE(ok(inside.apply(loose_volume_manifest(worker))));
    ASSERT_TRUE(ok(
        inside.wait_for_output({"get", "events", "--field-selector", "reason=ProvisioningFailed"},
                               "node " + worker + " has no storage to keep volumes on")));
    ASSERT_TRUE(ok(inside({"delete", "pod", "client", "loose", "--wait=true"})));
    // Where it is not held to the worker, the same claim is served by the master.
    ASSERT_TRUE(ok(inside.apply(client_manifest())));
    ASSERT_TRUE(ok(inside.wait({"pod/client"}, "condition=Ready")));
    const auto where = inside({"get", "pod", "client", "-o", "jsonpath={.spec.nodeName}"});
    ASSERT_TRUE(ok(where));
    EXPECT_THAT(*where, HasSubstr("-master-1"));
    const auto volumes = inside({"get", "pv", "-o", "name"});
    ASSERT_TRUE(ok(volumes));
    EXPECT_EQ(std::count(volumes->begin(), volumes->end(), '\n'), 1) << *volumes;
  }

  // Edits of a running node's labels and taints, at a cluster whose spec.nodes[1] is
  // <name>-worker-1.
  static void expect_labels_and_taints_to_follow(const Kubectl& outside,
                                                 const VirtualCluster& cluster) {
    const std::string worker = cluster.name() + "-worker-1";
    const auto edit = [&](const std::string& patch) {
      return outside({"-n", cluster.namespace_name(), "patch", "vk8s", cluster.name(),
                      "--type=json", "-p", patch});
    };
    const auto pod_uid = [&] {
      return outside({"-n", cluster.namespace_name(), "get", "pod", worker + "-0", "-o",
                      "jsonpath={.metadata.uid}"});
    };
    const auto shows = [&](const std::string& text) {
      return ok(cluster.kubectl().wait_for_output(
          {"get", "node", worker, "-o",
           "jsonpath=<{.metadata.labels.zone} {.metadata.labels.theirs} {.spec.taints[*].key}>"},
          text, seconds(15)));
    };
    const auto before = pod_uid();
    ASSERT_TRUE(ok(before));
    ASSERT_TRUE(ok(cluster.kubectl()({"label", "node", worker, "theirs=kept"})));
    ASSERT_TRUE(ok(cluster.kubectl()({"taint", "node", worker, "theirs=:PreferNoSchedule"})));
    ASSERT_TRUE(ok(edit(
        R"([{"op":"add","path":"/spec/nodes/1/labels","value":{"zone":"edge"}},
            {"op":"add","path":"/spec/nodes/1/taints",
             "value":[{"key":"spec","effect":"PreferNoSchedule"}]}])")));
    ASSERT_TRUE(shows("<edge kept theirs spec>"));
    ASSERT_TRUE(ok(edit(R"([{"op":"remove","path":"/spec/nodes/1/labels"},
                            {"op":"remove","path":"/spec/nodes/1/taints"}])")));
    ASSERT_TRUE(shows("< kept theirs>"));
    ASSERT_TRUE(ok(cluster.kubectl()({"taint", "node", worker, "theirs-"})));
    const auto after = pod_uid();
    ASSERT_TRUE(ok(after));
    EXPECT_EQ(*after, *before) << "the pod was replaced";
    ASSERT_TRUE(ok(cluster.wait_for_phase("Running")));
  }

  void expect_drain_to_outlive_the_controller(const VirtualCluster& cluster) const;
};

// The worker leaves as long as a budget for the pods on it allows, though the controller dies
// meanwhile: in a cluster with two pods of web on two nodes.
void LifecycleTest::expect_drain_to_outlive_the_controller(const VirtualCluster& cluster) const {
  const std::string in = cluster.namespace_name();
  const std::string worker = cluster.name() + "-worker-1";
  ASSERT_TRUE(ok(cluster.kubectl().apply(R"(apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
)")));
  ASSERT_TRUE(ok(cluster.kubectl().wait({"pdb/web"}, "jsonpath={.status.currentHealthy}=2")));
  ASSERT_TRUE(ok(kubectl()({"-n", in, "patch", "vk8s", cluster.name(), "--type=json", "-p",
                            R"([{"op":"remove","path":"/spec/nodes/1"}])"})));
  ASSERT_TRUE(ok(kubectl().wait_for_output(
      {"-n", in, "get", "vk8s", cluster.name(), "-o", "jsonpath={.status.message}"},
      fmt::format("node {} leaves: waiting for 1 pod", worker))));
  ASSERT_TRUE(ok(kill_controller()));
  ASSERT_TRUE(ok(kubectl()({"-n", in, "get", "statefulset", worker})));
  ASSERT_TRUE(ok(cluster.kubectl()({"delete", "pdb", "web"})));
  ASSERT_TRUE(ok(kubectl().wait({"-n", in, "statefulset/" + worker}, "delete", seconds(90))));
  ASSERT_TRUE(ok(kubectl().wait({"-n", in, "pvc/data-" + worker + "-0"}, "delete")));
  const auto timed_out = kubectl()(
      {"-n", in, "get", "events", "--field-selector", "reason=DrainTimedOut", "-o", "name"});
  ASSERT_TRUE(ok(timed_out));
  EXPECT_EQ(*timed_out, "");
}

TEST_F(LifecycleTest, OpensPortsToTheOutsideAndFollowsTheirEdits) {
  ensure_namespace("ports");
  auto cluster = VirtualCluster::create(
      host(), "ports", "web",
      vk8s_manifest("ports", "web", 1,
                    "  ports:\n"
                    "  - {name: direct, port: 80, targetPort: 30080, nodePort: 30071}\n"
                    "  - {name: named, port: 81, service: default/web, nodePort: 30072}\n"));
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(ok(cluster->kubectl().apply(web_manifest(2, 30080))));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"deployment/web"}, "condition=Available")));
  for (const char* address : {"100.64.0.10", "100.64.0.11"}) {
    EXPECT_TRUE(ok(fetch_until(fmt::format("http://{}:30071/", address), "web-")));
  }
  EXPECT_TRUE(ok(fetch_until("http://100.64.0.10:30072/", "web-")));

  ASSERT_TRUE(ok(kubectl()({"-n", "ports", "patch", "vk8s", "web", "--type=json", "-p",
                            R"([{"op":"replace","path":"/spec/ports/0/nodePort","value":30073},
                                {"op":"remove","path":"/spec/ports/1"}])"})));
  EXPECT_TRUE(ok(fetch_until("http://100.64.0.10:30073/", "web-")));
  ASSERT_TRUE(ok(wait_until(
      [&] {
        const auto closed = fetch("http://100.64.0.10:30072/");
        return Answer{!closed.has_value(), closed ? *closed : ""};
      },
      seconds(30), "the removed port is closed")));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(LifecycleTest, TakesInAndDrainsWorkers) {
  ensure_namespace("nodes");
  auto cluster = VirtualCluster::create(host(), "nodes", "grow", vk8s_manifest("nodes", "grow", 0));
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(ok(kubectl().apply(vk8s_manifest("nodes", "grow", 1))));
  ASSERT_TRUE(ok(cluster->kubectl().wait_for_output({"get", "node", "grow-worker-1"}, " Ready ")));
  ASSERT_TRUE(ok(cluster->wait_for_phase("Running")));
  ASSERT_TRUE(ok(cluster->kubectl().apply(web_manifest(2))));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"deployment/web"}, "condition=Available")));
  ASSERT_NO_FATAL_FAILURE(expect_no_volumes_on(cluster->kubectl(), "grow-worker-1"));
  ASSERT_NO_FATAL_FAILURE(expect_labels_and_taints_to_follow(kubectl(), *cluster));

  ASSERT_NO_FATAL_FAILURE(expect_drain_to_outlive_the_controller(*cluster));
  const auto nodes = cluster->kubectl()({"get", "nodes", "-o", "name"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_EQ(*nodes, "node/grow-master-1\n");
  // On the node that is left.
  EXPECT_TRUE(
      ok(cluster->kubectl().wait({"deployment/web"}, "jsonpath={.status.availableReplicas}=2")))
      << cluster->kubectl()({"describe", "nodes,pods"}).value_or("");
  EXPECT_TRUE(ok(cluster->wait_for_phase("Running")));
  EXPECT_TRUE(ok(cluster->remove()));
}

TEST_F(LifecycleTest, KeepsStateAndIdentityOverAPause) {
  ensure_namespace("pause");
  // What a node without storage holds goes with its pod; this worker has some.
  auto cluster =
      VirtualCluster::create(host(), "pause", "rest",
                             vk8s_manifest("pause", "rest", 0) +
                                 "  - {name: rest-worker-1, role: worker, storage: {size: 2Gi}}\n");
  ASSERT_TRUE(ok(cluster));
  ASSERT_TRUE(ok(cluster->kubectl().apply(client_manifest("rest-worker-1"))));
  ASSERT_TRUE(ok(cluster->kubectl().wait({"pod/client"}, "condition=Ready")));
  ASSERT_TRUE(ok(cluster->kubectl()({"exec", "client", "--", "sh", "-c", "echo kept >/data/x"})));

  ASSERT_TRUE(ok(kubectl()({"-n", "pause", "annotate", "vk8s", "rest", "vk8s-resource-stopped="})));
  ASSERT_TRUE(ok(cluster->wait_for_phase("Paused")));
  ASSERT_TRUE(ok(kubectl().wait({"-n", "pause", "pods", "-l", "clusterName=rest"}, "delete")));
  ASSERT_TRUE(ok(kubectl()({"-n", "pause", "annotate", "vk8s", "rest", "vk8s-resource-stopped-"})));
  ASSERT_TRUE(ok(cluster->wait_for_phase("Running")));

  ASSERT_TRUE(
      ok(cluster->kubectl().wait_for_output({"exec", "client", "--", "cat", "/data/x"}, "kept")))
      << cluster->kubectl()({"describe", "nodes,pods"}).value_or("");
  const auto nodes = cluster->kubectl()({"get", "nodes", "--no-headers"});
  ASSERT_TRUE(ok(nodes));
  EXPECT_THAT(*nodes, Not(HasSubstr("NotReady")));
  EXPECT_TRUE(ok(cluster->remove()));
}

}  // namespace
}  // namespace vk8s::e2e
