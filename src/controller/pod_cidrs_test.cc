#include "controller/pod_cidrs.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

api::Vk8sSpec spec_with(std::vector<std::string> nodes, std::string network = "10.4.0.0/22") {
  api::Vk8sSpec spec;
  spec.pod_network_cidr = std::move(network);
  for (std::string& name : nodes) {
    api::NodeSpec node;
    node.name = std::move(name);
    spec.nodes.push_back(std::move(node));
  }
  return spec;
}

TEST(PodCidrs, AreGivenInOrder) {
  const auto cidrs = assign_pod_cidrs(spec_with({"m", "a"}), {});
  ASSERT_TRUE(cidrs);
  EXPECT_EQ(cidrs->at("m"), "10.4.0.0/24");
  EXPECT_EQ(cidrs->at("a"), "10.4.1.0/24");
}

TEST(PodCidrs, AreKeptWhenNodesComeAndGo) {
  const auto cidrs =
      assign_pod_cidrs(spec_with({"m", "new", "b"}),
                       {{"m", "10.4.0.0/24"}, {"b", "10.4.2.0/24"}, {"leaving", "10.4.1.0/24"}});
  ASSERT_TRUE(cidrs);
  EXPECT_EQ(cidrs->at("m"), "10.4.0.0/24");
  EXPECT_EQ(cidrs->at("b"), "10.4.2.0/24");
  EXPECT_EQ(cidrs->at("new"), "10.4.3.0/24");
  EXPECT_FALSE(cidrs->contains("leaving"));
}

TEST(PodCidrs, RunOutWithAMessageThatNamesTheNode) {
  const auto cidrs = assign_pod_cidrs(spec_with({"a", "b", "c", "d", "e"}), {});
  ASSERT_FALSE(cidrs);
  EXPECT_EQ(cidrs.error().code(), Errc::kExhausted);
  EXPECT_NE(cidrs.error().message().find("node \"e\""), std::string::npos);
}

}  // namespace
}  // namespace vk8s::controller
