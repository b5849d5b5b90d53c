#include "host/host_plan.h"

#include <gmock/gmock.h>

#include <set>

namespace vk8s::host {
namespace {

using ::testing::HasSubstr;

HostSettings settings() {
  HostSettings out;
  out.kubernetes_version = "1.37.2";
  out.rootfs = "/image";
  return out;
}

TEST(HostSettings, SurviveWritingAndReading) {
  HostSettings before = settings();
  before.node_count = 3;
  before.registry_rootfs = "/registry";
  const auto after = parse_host_settings(base::to_string(to_json(before)));
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(*after, before);
}

TEST(HostSettings, AreRefusedWithTheOptionsName) {
  const auto refusal = [](auto change) {
    HostSettings changed = settings();
    change(changed);
    const Status status = validate(changed);
    return status ? std::string("accepted") : status.error().message();
  };
  EXPECT_THAT(refusal([](HostSettings&) {}), "accepted");
  EXPECT_THAT(refusal([](HostSettings& s) { s.name = "much-too-long"; }), HasSubstr("--name"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.name = "0abc"; }), HasSubstr("--name"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.name = "a/b"; }), HasSubstr("--name"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.subnet = "198.18.0.0/25"; }), HasSubstr("--subnet"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.subnet = "fd00::/64"; }), HasSubstr("--subnet"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.service_cidr = "198.18.1.0/24"; }),
              HasSubstr("overlap"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.node_count = 0; }), HasSubstr("--nodes"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.node_count = 65; }), HasSubstr("--nodes"));
  EXPECT_THAT(
      refusal([](HostSettings& s) { s.pod_network_cidr = "198.19.0.0/24", s.node_count = 2; }),
      HasSubstr("--nodes"));
  EXPECT_THAT(refusal([](HostSettings& s) { s.rootfs = "image"; }), HasSubstr("--rootfs"));
}

TEST(HostSettings, OfAnotherVersionOrNoneAreRefused) {
  EXPECT_FALSE(parse_host_settings(""));
  EXPECT_FALSE(parse_host_settings("{}"));
  EXPECT_EQ(parse_host_settings(R"({"apiVersion":"host.vk8s.sktelecom.com/v9"})").error().code(),
            Errc::kUnsupported);
}

TEST(HostPlan, NamesEverythingAfterTheHost) {
  HostSettings wanted = settings();
  wanted.node_count = 2;
  const auto plan = make_plan(wanted, "/state");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->bridge, "vk8s0");
  EXPECT_EQ(plan->bridge_address, "198.18.0.1");
  EXPECT_EQ(plan->api_server, "https://198.18.0.10:6443");
  EXPECT_EQ(plan->registry.address, "198.18.0.2");
  ASSERT_EQ(plan->nodes.size(), 2U);
  const NodePlan& master = plan->nodes[0];
  EXPECT_EQ(master.role, api::NodeRole::kMaster);
  EXPECT_EQ(master.container.name, "host-1");
  EXPECT_EQ(master.container.netns, "vk8s-host-1");
  EXPECT_EQ(master.container.address, "198.18.0.10");
  EXPECT_EQ(master.container.cgroup, "/vk8s-host/host-1");
  EXPECT_EQ(master.container.folder, "/state/host-1");
  EXPECT_EQ(master.pod_cidr, "198.19.0.0/24");
  EXPECT_EQ(plan->nodes[1].role, api::NodeRole::kWorker);
  EXPECT_EQ(plan->nodes[1].container.address, "198.18.0.11");
  EXPECT_EQ(plan->nodes[1].pod_cidr, "198.19.1.0/24");
}

TEST(HostPlan, GivesEachNodeItsOwnNames) {
  HostSettings wanted = settings();
  wanted.name = "elevenchars";
  wanted.node_count = kMaxNodes;
  ASSERT_TRUE(validate(wanted));
  const auto plan = make_plan(wanted, "/state");
  ASSERT_TRUE(plan);
  std::set<std::string> names = {plan->bridge, plan->registry.link};
  std::set<std::string> addresses = {plan->bridge_address, plan->registry.address};
  for (const NodePlan& node : plan->nodes) {
    names.insert(node.container.link);
    addresses.insert(node.container.address);
    EXPECT_LE(node.container.link.size(), 15U);
  }
  EXPECT_EQ(names.size(), 66U);
  EXPECT_EQ(addresses.size(), 66U);
}

TEST(HostPlan, KeepsTheUpperQuarterOfThePodNetworkForFixedAddresses) {
  HostSettings wanted = settings();
  wanted.node_count = 64;
  EXPECT_EQ(make_plan(wanted, "/state")->address_pool, "198.19.96.0/19");
  wanted.pod_network_cidr = "198.19.0.0/22";
  wanted.node_count = 3;
  EXPECT_EQ(make_plan(wanted, "/state")->address_pool, "198.19.3.0/24");
  wanted.node_count = 4;
  EXPECT_EQ(make_plan(wanted, "/state")->address_pool, "");
  wanted.pod_network_cidr = "198.19.0.0/24";
  wanted.node_count = 1;
  EXPECT_EQ(make_plan(wanted, "/state")->address_pool, "");
}

TEST(HostPlan, MakesValidNodeConfigurations) {
  HostSettings wanted = settings();
  wanted.node_count = 2;
  wanted.registry_rootfs = "/registry";
  const auto plan = make_plan(wanted, "/state");
  ASSERT_TRUE(plan);
  const auto master = make_node_config(wanted, *plan, plan->nodes[0]);
  const auto worker = make_node_config(wanted, *plan, plan->nodes[1]);
  for (const auto& config : {master, worker}) {
    const Status status = api::validate(config);
    EXPECT_TRUE(status) << status.error().message();
    EXPECT_TRUE(config.is_host_node);
    EXPECT_TRUE(config.offers_volumes);
    EXPECT_EQ(config.mirrors.at(0).url, "https://198.18.0.2:5000");
  }
  EXPECT_EQ(master.api_server, "");
  EXPECT_EQ(worker.api_server, "https://198.18.0.10:6443");
}

}  // namespace
}  // namespace vk8s::host
