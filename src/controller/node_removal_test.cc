#include "controller/node_removal.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

TEST(NodeRemoval, EvictsWhatMovesAndLeavesWhatDoesNot) {
  const Json list = base::parse_json(R"({"items":[
      {"metadata":{"namespace":"a","name":"plain"}},
      {"metadata":{"namespace":"a","name":"leaving","deletionTimestamp":"2026-01-01T00:00:00Z"}},
      {"metadata":{"namespace":"a","name":"daemon",
                   "ownerReferences":[{"kind":"DaemonSet","name":"d"}]}},
      {"metadata":{"namespace":"a","name":"static",
                   "annotations":{"kubernetes.io/config.mirror":"x"}}},
      {"metadata":{"namespace":"a","name":"done"},"status":{"phase":"Succeeded"}}]})")
                        .value();
  const auto pods = pods_to_evict(list);
  ASSERT_EQ(pods.size(), 2U);
  EXPECT_EQ(pods[0].key, (kube::ObjectKey{"a", "plain"}));
  EXPECT_FALSE(pods[0].is_leaving);
  EXPECT_EQ(pods[1].key.name, "leaving");
  EXPECT_TRUE(pods[1].is_leaving);
}

TEST(NodeRemoval, HasNothingToEvictOnAnEmptyNode) {
  EXPECT_TRUE(pods_to_evict(Json(JsonObject())).empty());
}

}  // namespace
}  // namespace vk8s::controller
