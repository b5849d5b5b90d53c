// What a real API server takes and refuses of pools and allocations.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipmanager/test_host.h"

namespace vk8s::ipmanager {
namespace {

using ::testing::HasSubstr;
using testing::TestHost;
namespace resources = kube::resources;

class IpCrds : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!kube::testing::ApiServer::missing_prerequisite()) {
      auto started = TestHost::start();
      ASSERT_TRUE(started) << started.error().message();
      host_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { host_.reset(); }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_TRUE(host_);
  }
  void TearDown() override {
    if (host_) {
      host_->remove_everything();
    }
  }

  // "" if it is taken.
  static std::string create(const kube::Resource& kind, const Json& object) {
    const auto created = host_->api().create(kind, "", object);
    return created ? std::string() : created.error().message();
  }
  static std::string create_pool(JsonObject spec) {
    return create(resources::kVNodeIPPool, JsonObject{{"apiVersion", api::kVk8sApiVersion.data()},
                                                      {"kind", "VNodeIPPool"},
                                                      {"metadata", JsonObject{{"name", "edge"}}},
                                                      {"spec", std::move(spec)}});
  }
  static std::string create_allocation(const std::string& name, JsonObject spec) {
    return create(resources::kIPAllocation, JsonObject{{"apiVersion", api::kVk8sApiVersion.data()},
                                                       {"kind", "IPAllocation"},
                                                       {"metadata", JsonObject{{"name", name}}},
                                                       {"spec", std::move(spec)}});
  }
  static std::string patch_allocation(const std::string& name, Json spec) {
    const auto patched = host_->api().merge_patch(resources::kIPAllocation, {"", name},
                                                  JsonObject{{"spec", std::move(spec)}});
    return patched ? std::string() : patched.error().message();
  }

  static std::unique_ptr<TestHost> host_;
};

std::unique_ptr<TestHost> IpCrds::host_;

TEST_F(IpCrds, TakeAPoolWithEveryField) {
  EXPECT_EQ(create_pool(
                {{"ranges", JsonArray{"10.1.0.0/24", "10.2.0.5-10.2.0.9", "10.3.0.1", "fd00::/64",
                                      "fd01::1-fd01::f"}},
                 {"exclusions", JsonArray{"10.1.0.64/26", "10.1.0.7"}},
                 {"gateway", "10.1.0.1"},
                 {"namespaces", JsonArray{"team-a"}},
                 {"clusterSelector", JsonObject{{"matchLabels", JsonObject{{"site", "north"}}}}}}),
            "");
  const auto pool = host_->api().get(resources::kVNodeIPPool, {"", "edge"});
  ASSERT_TRUE(pool);
  EXPECT_TRUE(api::parse_ip_pool(*pool)) << api::parse_ip_pool(*pool).error().message();
}

TEST_F(IpCrds, TakeAsMuchAsTheLimitsSay) {
  JsonArray ranges;
  JsonArray exclusions;
  JsonArray namespaces;
  for (int i = 0; i < api::kMaxPoolRanges; ++i) {
    ranges.emplace_back(
        fmt::format("fd00:ffff:ffff:ffff:ffff:ffff:ff{:02x}:0-"
                    "fd00:ffff:ffff:ffff:ffff:ffff:ff{:02x}:ffff",
                    i, i));
  }
  for (int i = 0; i < api::kMaxPoolExclusions; ++i) {
    exclusions.emplace_back(fmt::format("10.{}.0.0-10.{}.255.255", i, i));
  }
  for (int i = 0; i < api::kMaxPoolNamespaces; ++i) {
    namespaces.emplace_back(fmt::format("{}-{}", std::string(59, 'a'), i));
  }
  EXPECT_EQ(
      create_pool({{"ranges", ranges}, {"exclusions", exclusions}, {"namespaces", namespaces}}),
      "");
}

TEST_F(IpCrds, RefuseAPoolThatCannotWorkAndNameTheField) {
  const auto ranges = [](JsonArray values) { return create_pool({{"ranges", std::move(values)}}); };
  EXPECT_THAT(ranges({}), HasSubstr("spec.ranges"));
  EXPECT_THAT(create_pool({}), HasSubstr("spec.ranges: Required value"));
  for (const char* range :
       {"10.1.0.1/24", "10.1.0.1-", "10.1.0.1-10.1.0.2-10.1.0.3", "10.1.0.1-fd00::1", "edge",
        "10.01.0.1", "::ffff:10.1.0.1", "fe80::1%eth0", "10.1.0.0/33", "10.1.0.1 - 10.1.0.2"}) {
    EXPECT_THAT(ranges({"10.1.0.0/24", range}), HasSubstr("spec.ranges[1]")) << range;
    EXPECT_THAT(ranges({"10.1.0.0/24", range}), HasSubstr("spec.ranges[] must be")) << range;
  }
  const JsonArray good{"10.1.0.0/24"};
  EXPECT_THAT(create_pool({{"ranges", good}, {"exclusions", JsonArray{"x"}}}),
              HasSubstr("spec.exclusions[] must be"));
  EXPECT_THAT(create_pool({{"ranges", good}, {"gateway", "FD00::1"}}),
              HasSubstr("spec.gateway must be"));
  EXPECT_THAT(create_pool({{"ranges", good}, {"namespaces", JsonArray{"Team A"}}}),
              HasSubstr("spec.namespaces[0]"));
  EXPECT_THAT(ranges(JsonArray(api::kMaxPoolRanges + 1, "10.1.0.1")), HasSubstr("spec.ranges"));
}

TEST_F(IpCrds, TakeAnAllocationThatIsNamedByItsAddress) {
  const JsonObject owner{{"namespace", "team-a"},
                         {"pod", "demo-master-1-0"},
                         {"cluster", "demo"},
                         {"clusterUID", "8f2a"},
                         {"node", "master-1"}};
  EXPECT_EQ(create_allocation("10.1.0.7", {{"address", "10.1.0.7"}, {"owner", owner}}), "");
  EXPECT_EQ(create_allocation("fd00-0000-0000-0000-0000-0000-0000-0007", {{"address", "fd00::7"}}),
            "");
  EXPECT_EQ(create_allocation("0000-0000-0000-0000-0000-0000-0000-0001", {{"address", "::1"}}), "");
  EXPECT_THAT(create_allocation("10.1.0.7", {{"address", "10.1.0.7"}}),
              HasSubstr("already exists"));
}

TEST_F(IpCrds, RefuseASecondSpellingOfAnAddress) {
  const auto refusal = [](const std::string& name, const char* address) {
    return create_allocation(name, {{"address", address}});
  };
  constexpr const char* kName = "metadata.name must be spec.address";
  constexpr const char* kAddress = "spec.address must be an IP address";
  EXPECT_THAT(refusal("10.1.0.8", "10.1.0.7"), HasSubstr(kName));
  EXPECT_THAT(refusal("ten", "10.1.0.7"), HasSubstr(kName));
  EXPECT_THAT(refusal("fd00-0000-0000-0000-0000-0000-0000-0008", "fd00::7"), HasSubstr(kName));
  EXPECT_THAT(refusal("fd00--7", "fd00::7"), HasSubstr(kName));
  EXPECT_THAT(refusal("fd00-0-0-0-0-0-0-7", "fd00::7"), HasSubstr(kName));
  EXPECT_THAT(refusal("10.1.0.7", "fd00::7"), HasSubstr(kName));
  EXPECT_THAT(refusal("fd00-0000-0000-0000-0000-0000-0000-0007", "FD00::7"), HasSubstr(kAddress));
  EXPECT_THAT(refusal("fd00-0000-0000-0000-0000-0000-0000-0007", "fd00:0::7"), HasSubstr(kAddress));
  EXPECT_THAT(refusal("10.1.0.7", "10.1.0.07"), HasSubstr(kAddress));
  EXPECT_THAT(refusal("0000-0000-0000-0000-0000-ffff-0a01-0007", "::ffff:10.1.0.7"),
              HasSubstr(kAddress));
  EXPECT_THAT(refusal("10.1.0.7", ""), HasSubstr(kAddress));
}

TEST_F(IpCrds, RefuseHalfAnOwner) {
  const auto refusal = [](JsonObject owner) {
    return create_allocation("10.1.0.7", {{"address", "10.1.0.7"}, {"owner", std::move(owner)}});
  };
  EXPECT_THAT(refusal({{"namespace", "team-a"}}), HasSubstr("spec.owner.pod"));
  EXPECT_THAT(refusal({{"namespace", ""}, {"pod", "p"}}), HasSubstr("spec.owner.namespace"));
  EXPECT_THAT(refusal({{"namespace", "team-a"}, {"pod", "p"}, {"cluster", "demo"}}),
              HasSubstr("spec.owner: cluster and clusterUID go together"));
}

TEST_F(IpCrds, LetOnlyTheNoteAndTheReleaseChange) {
  const JsonObject owner{{"namespace", "team-a"}, {"pod", "p"}};
  ASSERT_EQ(
      create_allocation("10.1.0.7", {{"address", "10.1.0.7"}, {"owner", owner}, {"pool", "edge"}}),
      "");
  EXPECT_EQ(patch_allocation("10.1.0.7", {{"note", "x"}, {"releasing", true}}), "");
  EXPECT_EQ(patch_allocation("10.1.0.7", {{"note", nullptr}, {"releasing", nullptr}}), "");
  EXPECT_THAT(patch_allocation("10.1.0.7", {{"address", "10.1.0.8"}}),
              HasSubstr("spec.address is immutable"));
  EXPECT_THAT(patch_allocation("10.1.0.7", {{"pool", "other"}}),
              HasSubstr("spec.pool is immutable"));
  EXPECT_THAT(patch_allocation("10.1.0.7", {{"pool", nullptr}}),
              HasSubstr("spec.pool is immutable"));
  EXPECT_THAT(patch_allocation("10.1.0.7", {{"owner", {{"pod", "q"}}}}),
              HasSubstr("spec.owner is immutable"));
  EXPECT_THAT(patch_allocation("10.1.0.7", {{"owner", nullptr}}),
              HasSubstr("spec.owner is immutable"));
}

TEST_F(IpCrds, LetAReservationBeGivenToAPodOnce) {
  ASSERT_EQ(create_allocation("10.1.0.8", {{"address", "10.1.0.8"}}), "");
  EXPECT_THAT(patch_allocation("10.1.0.8", {{"pool", "edge"}}),
              HasSubstr("spec.pool is immutable"));
  EXPECT_EQ(patch_allocation("10.1.0.8", {{"owner", {{"namespace", "team-a"}, {"pod", "p"}}}}), "");
  EXPECT_THAT(patch_allocation("10.1.0.8", {{"owner", {{"pod", "q"}}}}),
              HasSubstr("spec.owner is immutable"));
}

TEST_F(IpCrds, ShowPoolsAndAllocationsInColumns) {
  ASSERT_EQ(create_pool({{"ranges", JsonArray{"10.1.0.0/24"}}}), "");
  const Json status = JsonObject{
      {"capacity", 254},
      {"allocated", 3},
      {"conditions", JsonArray{JsonObject{{"type", "Ready"},
                                          {"status", "True"},
                                          {"reason", "Ready"},
                                          {"message", "m"},
                                          {"lastTransitionTime", "2026-01-01T00:00:00Z"}}}}};
  ASSERT_TRUE(host_->api().merge_patch(resources::kVNodeIPPool, {"", "edge"},
                                       JsonObject{{"status", status}}, "status"));
  const auto pool = host_->api().get(resources::kVNodeIPPool, {"", "edge"});
  ASSERT_TRUE(pool);
  EXPECT_EQ(base::get_int(*pool, "status.capacity"), 254);
  EXPECT_EQ(base::get_string(*pool, "status.conditions.0.reason"), "Ready");
}

}  // namespace
}  // namespace vk8s::ipmanager
