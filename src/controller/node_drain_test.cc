#include "controller/node_drain.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

TEST(NodeDrain, EvictsWhatMovesAndLeavesWhatDoesNot) {
  const Json list = base::parse_json(R"({"items":[
      {"metadata":{"namespace":"a","name":"plain"}},
      {"metadata":{"namespace":"a","name":"leaving","deletionTimestamp":"2026-01-01T00:00:00Z"}},
      {"metadata":{"namespace":"a","name":"daemon",
                   "ownerReferences":[{"kind":"DaemonSet","name":"d","controller":true}]}},
      {"metadata":{"namespace":"a","name":"kept",
                   "ownerReferences":[{"kind":"ReplicaSet","name":"r","controller":true}]}},
      {"metadata":{"namespace":"a","name":"static",
                   "annotations":{"kubernetes.io/config.mirror":"x"}}},
      {"metadata":{"namespace":"a","name":"done"},"status":{"phase":"Succeeded"}},
      {"metadata":{"namespace":"a","name":"killed","deletionTimestamp":"2026-01-01T00:00:00Z"},
       "status":{"phase":"Failed"}}]})")
                        .value();
  const auto pods = pods_to_evict(list, Drain::kToRemove);
  ASSERT_EQ(pods.size(), 4U);
  EXPECT_EQ(pods[0].key, (kube::ObjectKey{"a", "plain"}));
  EXPECT_FALSE(pods[0].is_leaving);
  EXPECT_EQ(pods[1].key.name, "leaving");
  EXPECT_TRUE(pods[1].is_leaving);
  EXPECT_EQ(pods[2].key.name, "kept");
  EXPECT_EQ(pods[3].key.name, "killed");
  EXPECT_TRUE(pods[3].is_leaving);
  // One that comes back keeps what nobody would make anew.
  const auto moving = pods_to_evict(list, Drain::kToReplace);
  ASSERT_EQ(moving.size(), 1U);
  EXPECT_EQ(moving[0].key.name, "kept");
}

// They go into a path and into the cluster's status.
TEST(NodeDrain, TakesNothingForAPodThatHasNoPodsName) {
  const Json list = base::parse_json(R"({"items":[
      {"metadata":{"namespace":"a","name":"b/../../nodes/c"}},
      {"metadata":{"namespace":"a b","name":"c"}},
      {"metadata":{"namespace":"a","name":"\u001b[2J"}},
      {"metadata":{"namespace":"a"}},
      {"metadata":{"namespace":"a","name":7}},
      5,
      {"metadata":{"namespace":"a","name":"web-0.x"}}]})")
                        .value();
  const auto pods = pods_to_evict(list, Drain::kToRemove);
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].key, (kube::ObjectKey{"a", "web-0.x"}));
}

TEST(NodeDrain, HasNothingToEvictOnAnEmptyNode) {
  EXPECT_TRUE(pods_to_evict(Json(JsonObject()), Drain::kToRemove).empty());
}

}  // namespace
}  // namespace vk8s::controller
