#include "controller/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(CountAddons, TakesKubeflowAndTheOthersByPhase) {
  std::map<std::string, double> counts;
  const auto count = [&](const char* text) {
    const auto vk8s = base::parse_json(text);
    ASSERT_TRUE(vk8s) << vk8s.error().message();
    count_addons(*vk8s, counts);
  };
  count(R"({"spec": {"kubeflow": {}}, "status": {"phase": "Running"}})");
  EXPECT_THAT(counts, IsEmpty());
  count(R"({"status": {"kubeflow": {"phase": "Failed"},
            "addons": [{"name": "a", "phase": "Ready"}, {"name": "b", "phase": "Failed"}]}})");
  count(R"({"status": {"addons": [{"name": "a"}]}})");
  EXPECT_THAT(counts,
              UnorderedElementsAre(Pair("Failed", 2), Pair("Ready", 1), Pair("Pending", 1)));
}

}  // namespace
}  // namespace vk8s::controller
