#include "addons/capacity_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::object_of;

TEST(CapacityCheck, AddsUpThePodsOfALargeClusterPageByPage) {
  testing::FakeSite site;
  site.client.put(kube::resources::kNode, object_of(R"(
apiVersion: v1
kind: Node
metadata: {name: one}
status: {allocatable: {cpu: "700", memory: 8Gi, pods: "600"}}
)"));
  for (int i = 0; i < 600; ++i) {
    site.client.put(kube::resources::kPod, object_of(fmt::format(R"(
apiVersion: v1
kind: Pod
metadata: {{name: pod-{}, namespace: default}}
spec: {{containers: [{{name: c, resources: {{requests: {{cpu: "1"}}}}}}]}}
)",
                                                                 i)));
  }
  CapacityCheck check(site.client,
                      std::make_shared<const ManifestSet>(testing::set_of(testing::kDemo)));
  std::optional<std::vector<std::string>> problems;
  check.ask([&](std::vector<std::string> found) { problems = std::move(found); });
  site.settle();
  ASSERT_TRUE(problems);
  EXPECT_THAT(*problems, ElementsAre(HasSubstr("1 pods where there is room for 0")));
  EXPECT_EQ(site.count("list", "Pod"), 3U);
}

}  // namespace
}  // namespace vk8s::addons
