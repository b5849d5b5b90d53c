// What a reconcile does with fixed addresses.
#include <gtest/gtest.h>

#include "controller/reconciler_fixture.h"

namespace vk8s::controller {
namespace {

namespace resources = kube::resources;

// A cluster of which every node wants an address.
class FixedAddressTest : public ReconcilerTest {
 protected:
  FixedAddressTest() {
    Json object = vk8s_object();
    set(object, "spec.network", JsonObject{{"staticIPs", true}});
    store_vk8s(object);
    addresses_.given_ = {{"demo-master-1", "10.1.0.7"}, {"demo-worker-1", "10.1.0.8"}};
  }
  void lack_worker() {
    addresses_.given_.erase("demo-worker-1");
    addresses_.held_back_ = {"demo-worker-1"};
    addresses_.problem_ =
        Problem{"", "AddressUnavailable", "10.1.0.8 is team-b/web-0's", std::chrono::seconds(10)};
  }
  std::string wanted_ip(const std::string& node) {
    const Json set = object(resources::kStatefulSet, node);
    const JsonObject* annotations = base::get_object(set, "spec.template.metadata.annotations");
    const Json* ip =
        annotations == nullptr ? nullptr : annotations->if_contains("vk8s.sktelecom.com/ip");
    return ip == nullptr ? "none" : std::string(ip->as_string());
  }
};

TEST_F(FixedAddressTest, StandsInTheStatefulSetAndTheStatus) {
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(addresses_.sets_.empty());
  EXPECT_EQ(wanted_ip("demo-worker-1"), "10.1.0.8");
  EXPECT_EQ(status().nodes[1].reserved_ip, "10.1.0.8");
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(addresses_.sets_.size(), 2U);
  clear_requests();
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(requests().empty());
}

TEST_F(FixedAddressTest, IsThereBeforeTheFirstObject) {
  lack_worker();
  addresses_.problem_->phase = "Fail";
  const auto outcome = reconcile();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->again, std::chrono::seconds(10));
  EXPECT_TRUE(writes().empty());
  EXPECT_EQ(status().phase, "Fail");
  EXPECT_EQ(status().message, "10.1.0.8 is team-b/web-0's");
  EXPECT_EQ(api::find_condition(status().conditions, "AddressUnavailable")->status,
            api::ConditionStatus::kTrue);
  addresses_.problem_.reset();
  addresses_.held_back_.clear();
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(status().phase, "Installing");
  EXPECT_EQ(api::find_condition(status().conditions, "AddressUnavailable")->status,
            api::ConditionStatus::kFalse);
}

TEST_F(FixedAddressTest, ThatIsMissingHoldsBackItsOwnNodeOnly) {
  ASSERT_TRUE(reconcile());
  put_pod("demo-master-1", true);
  loop_.run([this] {
    (void)server_->remove(resources::kStatefulSet, {"team-a", "demo-worker-1"}, {}, [](auto) {});
  });
  lack_worker();
  Json edited = object(resources::kVk8s, "demo");
  set(edited, "spec.ports", base::parse_json(R"([{"port":80}])").value());
  store_vk8s(edited);
  ASSERT_TRUE(reconcile());
  EXPECT_TRUE(object(resources::kStatefulSet, "demo-worker-1").is_null());
  EXPECT_FALSE(object(resources::kService, "demo-ports").is_null()) << "the rest goes on";
  EXPECT_EQ(wanted_ip("demo-master-1"), "10.1.0.7");
  EXPECT_EQ(api::find_condition(status().conditions, "Ready")->reason, "AddressUnavailable");
  EXPECT_NE(status().phase, "Fail");
}

TEST_F(FixedAddressTest, OfNodesThatLeftIsGivenBackWhateverElseIsWrong) {
  ASSERT_TRUE(reconcile());
  lack_worker();
  addresses_.releases_ = 0;
  ASSERT_TRUE(reconcile());
  EXPECT_EQ(addresses_.releases_, 1);
  world_.erase(resources::kVk8s, kDemo);
  ASSERT_TRUE(reconciler_.reconcile(kDemo));
  EXPECT_TRUE(addresses_.forgotten_);
}

}  // namespace
}  // namespace vk8s::controller
