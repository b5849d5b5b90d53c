#include "addons/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;
using testing::object_of;
using testing::set_of;

constexpr std::int64_t kMebibyte = 1024 * 1024;

Resources pod(const std::string& yaml) { return requests_of_pod(object_of(yaml)); }

JsonArray list_of(const std::string& yaml) {
  return object_of("items:" + yaml).at("items").as_array();
}

TEST(Capacity, CountsAPodAsTheSchedulerDoes) {
  EXPECT_EQ(pod(R"(
overhead: {cpu: 10m}
initContainers:
- {name: once, resources: {requests: {cpu: 500m, memory: 10Mi}}}
- {name: sidecar, restartPolicy: Always, resources: {requests: {cpu: 50m}}}
- {name: twice, resources: {requests: {memory: 200Mi}}}
containers:
- {name: a, resources: {requests: {cpu: 100m, memory: 64Mi}}}
- {name: b, resources: {limits: {cpu: "0.2", memory: 64Mi}}}
)"),
            (Resources{.cpu_millis = 510, .memory_bytes = 200 * kMebibyte, .pods = 1}));
  EXPECT_EQ(pod("containers: [{name: a, resources: {requests: {cpu: many}}}]"),
            (Resources{.cpu_millis = 0, .memory_bytes = 0, .pods = 1}));
}

TEST(Capacity, AddsUpReplicasOfEveryWorkload) {
  const std::string spec =
      "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, resources: "
      "{requests: "
      "{cpu: 100m}}}]}}";
  const auto workload = [&](const char* kind, const char* group, const char* more) {
    return fmt::format(
        "\n---\napiVersion: {}/v1\nkind: {}\nmetadata: {{name: w, namespace: n}}\nspec: {{{} {}}}",
        group, kind, more, spec);
  };
  const auto cpu = [](const std::string& yaml) {
    return requests_of_set(set_of(yaml), 3).cpu_millis;
  };
  EXPECT_EQ(cpu(workload("Deployment", "apps", "")), 100);
  EXPECT_EQ(cpu(workload("Deployment", "apps", "replicas: 4,")), 400);
  EXPECT_EQ(cpu(workload("DaemonSet", "apps", "")), 300);
  EXPECT_EQ(cpu(workload("Job", "batch", "parallelism: 2,")), 200);
  EXPECT_EQ(cpu(workload("Deployment", "apps", "") + R"(
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a, namespace: n}
spec: {minReplicas: 5, scaleTargetRef: {kind: Deployment, name: w}}
)"),
            500);
  EXPECT_GT(cpu(workload("Deployment", "apps", "replicas: 9223372036854775807,")), 0);
}

TEST(Capacity, LeavesOutBusyNodesAndItsOwnPods) {
  const ManifestSet set = set_of(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: w, namespace: n}
spec: {template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c}]}}}
)");
  const JsonArray nodes = list_of(R"(
- {status: {allocatable: {cpu: "2", memory: 1Gi, pods: "110"}}}
- {spec: {unschedulable: true}, status: {allocatable: {cpu: "8", memory: 8Gi, pods: "110"}}}
- {spec: {taints: [{key: a, effect: NoSchedule}]}, status: {allocatable: {cpu: "8"}}}
)");
  const std::string asks = "spec: {containers: [{resources: {requests: {cpu: 300m}}}]}";
  const JsonArray pods =
      list_of("\n- {metadata: {namespace: n, labels: {app: x}}, " + asks +
              "}\n- {metadata: {namespace: m, labels: {app: x}}, " + asks +
              "}\n- {metadata: {namespace: m}, status: {phase: Succeeded}, " + asks + "}\n");
  const Capacity capacity = free_capacity(set, nodes, pods);
  EXPECT_EQ(capacity.nodes, 1);
  EXPECT_EQ(capacity.free,
            (Resources{.cpu_millis = 1700, .memory_bytes = 1024 * kMebibyte, .pods = 109}));
}

TEST(Capacity, SaysWhatIsShort) {
  const Resources free{.cpu_millis = 2000, .memory_bytes = 512 * kMebibyte, .pods = 10};
  EXPECT_FALSE(describe_shortage(free, free));
  const auto shortage =
      describe_shortage({.cpu_millis = 7500, .memory_bytes = 1024 * kMebibyte, .pods = 11}, free);
  ASSERT_TRUE(shortage);
  EXPECT_THAT(*shortage, HasSubstr("7.5 CPUs where 2.0 are free"));
  EXPECT_THAT(*shortage, HasSubstr("1024 MiB of memory where 512 are free"));
  EXPECT_THAT(*shortage, HasSubstr("11 pods where there is room for 10"));
}

}  // namespace
}  // namespace vk8s::addons
