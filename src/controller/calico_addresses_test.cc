// Calico's IPAM and the choice of a method, by a fake API server.
#include "controller/calico_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ip_allocation.h"
#include "controller/address_methods.h"
#include "controller/calico_reservation.h"
#include "controller/fake_world.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class CalicoTest : public testing::Test {
 protected:
  CalicoTest()
      : server_(loop_.run([this] { return std::make_unique<kube::FakeClient>(loop_.loop()); })),
        client_(loop_.loop(), *server_, seconds(10)),
        calico_(client_, [this] { return now_; }) {}
  ~CalicoTest() override {
    loop_.run([this] { server_.reset(); });
  }

  void put(const kube::Resource& resource, std::string_view json) {
    loop_.run([&] { server_->put(resource, base::parse_json(json).value()); });
  }
  void put_pool(bool disabled = false) {
    put(calico::kIPPool,
        fmt::format(R"({{"metadata":{{"name":"edge"}},"spec":{{"cidr":"10.1.0.0/16",
        "blockSize":29,"disabled":{}}}}})",
                    disabled));
  }
  void put_block(std::string_view pod) {
    put(calico::kIPAMBlock,
        fmt::format(R"({{"metadata":{{"name":"10-1-0-64-29"}},"spec":{{"cidr":"10.1.0.64/29",
        "allocations":[null,null,0],"attributes":[{{"handle_id":"h","secondary":{{
        "namespace":"team-a","pod":"{}","node":"host-1"}}}}]}}}})",
                    pod));
  }
  void fail_next(const std::string& verb, const kube::Resource& resource, Errc code) {
    loop_.run([&] { server_->fail_next(verb, resource, Error(code, "the server says no")); });
  }
  std::size_t requests() {
    return loop_.run([this] { return server_->requests().size(); });
  }
  std::string trouble(bool is_there = false, std::string_view ip = "10.1.0.66") {
    const Status status =
        calico_.check({"team-a", "demo-master-1-0"}, IpAddress::parse(ip).value(), is_there);
    return status ? std::string() : status.error().message();
  }

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::FakeClient> server_;
  base::WallTime now_ = std::chrono::system_clock::now();
  BatchClient client_;
  CalicoAddresses calico_;
};

TEST_F(CalicoTest, AsksForTheAddressByAnnotation) {
  EXPECT_EQ(
      calico_.annotations(IpAddress::parse("10.1.0.66").value()),
      (std::map<std::string, std::string>{{"cni.projectcalico.org/ipAddrs", R"(["10.1.0.66"])"}}));
}

TEST_F(CalicoTest, GivesOnlyWhatAnEnabledPoolHolds) {
  EXPECT_THAT(trouble(), HasSubstr("10.1.0.66 to a pod: it is in no IPPool"));
  now_ += seconds(11);
  put_pool(true);
  EXPECT_THAT(trouble(), HasSubstr("its IPPool edge is disabled"));
  now_ += seconds(11);
  put_pool();
  EXPECT_EQ(trouble(), "");
  EXPECT_THAT(trouble(false, "10.2.0.1"), HasSubstr("in no IPPool"));
}

TEST_F(CalicoTest, WaitsUntilTheEarlierPodsAddressIsGivenBack) {
  put_pool();
  put_block("demo-master-1-0");
  EXPECT_THAT(trouble(), HasSubstr("still has 10.1.0.66 with the earlier pod of this node"));
  EXPECT_EQ(trouble(true), "") << "a pod that is there may have it by now";
  put(calico::kIPAMBlock, R"({"metadata":{"name":"10-1-0-64-29"},"spec":{"cidr":"10.1.0.64/29",
      "allocations":[null,null,null],"attributes":[]}})");
  EXPECT_EQ(trouble(), "");
}

TEST_F(CalicoTest, NamesTheStrangerWhoHasTheAddress) {
  put_pool();
  put_block("web-0");
  EXPECT_THAT(trouble(), HasSubstr("with pod team-a/web-0 on node host-1"));
  EXPECT_THAT(trouble(true), HasSubstr("choose another address"));
}

TEST_F(CalicoTest, DoesNotTakeAFailureForAnAnswer) {
  put_pool();
  fail_next("list", calico::kIPPool, Errc::kForbidden);
  Status status = calico_.check({"team-a", "p"}, IpAddress::parse("10.1.0.66").value(), false);
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().is_retryable());
  fail_next("get", calico::kIPAMBlock, Errc::kTimeout);
  status = calico_.check({"team-a", "p"}, IpAddress::parse("10.1.0.66").value(), false);
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().is_retryable());
  EXPECT_THAT(status.error().message(), HasSubstr("IPAMBlock 10-1-0-64-29"));
}

TEST_F(CalicoTest, SaysThatStrictAffinityKeepsPodsWhereTheyAre) {
  EXPECT_EQ(calico_.limits(), "");
  put(calico::kIPAMConfig, R"({"metadata":{"name":"default"},"spec":{"strictAffinity":true}})");
  EXPECT_EQ(calico_.limits(), "") << "asked once a minute";
  now_ += seconds(61);
  EXPECT_THAT(calico_.limits(), HasSubstr("strictAffinity"));
}

class AddressMethodsTest : public CalicoTest {
 protected:
  AddressMethods methods(StaticIpMethod configured = StaticIpMethod::kAuto) {
    return {client_, world_, configured, [this] { return now_; }};
  }
  void put_host_node() {
    world_.put(kube::resources::kNode,
               JsonObject{{"metadata", JsonObject{{"name", "host-1"},
                                                  {"annotations",
                                                   JsonObject{{api::kHeldIpsAnnotation, ""}}}}}});
  }
  static bool asks_calico(const Result<AddressMethod*>& method) {
    return method && !(*method)->annotations(IpAddress()).empty();
  }

  FakeWorld world_;
};

TEST_F(AddressMethodsTest, FindsNoneAndSaysWhatToInstall) {
  auto methods = this->methods();
  const auto none = methods.choose();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::kUnsupported);
  EXPECT_THAT(none.error().message(), HasSubstr("docs/static-addresses.md"));
  put_host_node();
  EXPECT_FALSE(methods.choose()) << "asked again after ten seconds only";
  now_ += seconds(11);
  ASSERT_TRUE(methods.choose());
  EXPECT_FALSE(asks_calico(methods.choose()));
  EXPECT_EQ(methods.is_calico(), false);
}

TEST_F(AddressMethodsTest, TakesBlocksForEvidenceOfCalicosIpam) {
  put_pool();
  put_host_node();
  {
    auto methods = this->methods();
    EXPECT_FALSE(asks_calico(methods.choose())) << "a pool alone is there with other IPAM too";
  }
  put_block("web-0");
  auto methods = this->methods();
  EXPECT_TRUE(asks_calico(methods.choose()));
  EXPECT_EQ(methods.is_calico(), true);
  const std::size_t before = requests();
  EXPECT_TRUE(asks_calico(methods.choose()));
  EXPECT_EQ(requests(), before) << "what was found is believed";
}

TEST_F(AddressMethodsTest, TakesAConfigurationForEvidenceToo) {
  put(calico::kIPAMConfig, R"({"metadata":{"name":"default"},"spec":{}})");
  auto methods = this->methods();
  EXPECT_TRUE(asks_calico(methods.choose()));
}

TEST_F(AddressMethodsTest, DoesNotTakeAFailureForAbsence) {
  put_host_node();
  fail_next("list", calico::kIPAMBlock, Errc::kUnavailable);
  auto methods = this->methods();
  const auto unknown = methods.choose();
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().is_retryable());
  EXPECT_TRUE(methods.choose()) << "and does not remember it";
  fail_next("list", calico::kIPAMBlock, Errc::kNotFound);
  auto without_calico = this->methods();
  EXPECT_TRUE(without_calico.choose());
}

TEST_F(AddressMethodsTest, FollowTheAdministratorWithoutAsking) {
  auto calico = methods(StaticIpMethod::kCalico);
  EXPECT_TRUE(asks_calico(calico.choose()));
  auto ours = methods(StaticIpMethod::kVk8s);
  EXPECT_TRUE(ours.choose());
  auto none = methods(StaticIpMethod::kNone);
  ASSERT_FALSE(none.choose());
  EXPECT_THAT(none.choose().error().message(), HasSubstr("--static-ip-method=none"));
  EXPECT_EQ(requests(), 0U);
}

class CalicoReservationTest : public AddressMethodsTest {
 protected:
  Json stored() {
    return loop_.run([this] {
      const Json* found =
          server_->peek(calico::kIPReservation, {"", std::string(calico::kReservationName)});
      return found == nullptr ? Json() : *found;
    });
  }
  std::string reserved() {
    const Json object = stored();
    const Json* cidrs = base::find(object, "spec.reservedCIDRs");
    return cidrs == nullptr ? "none" : base::to_string(*cidrs);
  }
  void set_pool(std::string_view spec) {
    claimed_->pools = {
        api::parse_ip_pool(
            base::parse_json(fmt::format(R"({{"metadata":{{"name":"p"}},"spec":{}}})", spec))
                .value())
            .value()};
  }

  std::optional<ClaimedAddresses> claimed_{std::in_place};
};

TEST_F(CalicoReservationTest, ListsTheRangesOfThePools) {
  auto methods = this->methods(StaticIpMethod::kCalico);
  CalicoReservation reservation(
      client_, methods, [this] { return claimed_; }, Log::silent());
  ASSERT_TRUE(reservation.ensure());
  EXPECT_TRUE(stored().is_null()) << "nothing before the first pool";
  set_pool(R"({"ranges":["10.1.0.0/30","10.2.0.0-10.2.0.2"],"exclusions":["10.2.0.2"]})");
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), R"(["10.1.0.0/30","10.2.0.0/31"])");

  const std::size_t before = requests();
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(requests(), before + 1) << "one look, no write";

  put(calico::kIPReservation, R"({"metadata":{"name":"vk8s-reservation"},
      "spec":{"reservedCIDRs":["10.9.0.0/16"]}})");
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), R"(["10.1.0.0/30","10.2.0.0/31"])") << "what others write does not stay";

  claimed_->pools.clear();
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), "[]");
}

TEST_F(CalicoReservationTest, ListsWhatSomebodyHasThoughItsPoolIsGone) {
  auto methods = this->methods(StaticIpMethod::kCalico);
  CalicoReservation reservation(
      client_, methods, [this] { return claimed_; }, Log::silent());
  set_pool(R"({"ranges":["10.1.0.0/30"],"exclusions":["10.1.0.3"]})");
  for (const char* address : {"10.1.0.2", "10.1.0.3", "10.1.0.9", "10.1.0.10", "fd00::7"}) {
    claimed_->allocated.push_back(IpAddress::parse(address).value());
  }
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), R"(["10.1.0.0/30","10.1.0.9/32","10.1.0.10/32","fd00::7/128"])");
  claimed_->pools.clear();
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), R"(["10.1.0.2/31","10.1.0.9/32","10.1.0.10/32","fd00::7/128"])");
  claimed_->allocated.clear();
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), "[]");
}

TEST_F(CalicoReservationTest, StaysAsItIsWhileNotAllIsKnown) {
  auto methods = this->methods(StaticIpMethod::kCalico);
  CalicoReservation reservation(
      client_, methods, [this] { return claimed_; }, Log::silent());
  set_pool(R"({"ranges":["10.1.0.0/30"]})");
  ASSERT_TRUE(reservation.ensure());
  claimed_.reset();
  ASSERT_TRUE(reservation.ensure());
  EXPECT_EQ(reserved(), R"(["10.1.0.0/30"])");
}

TEST_F(CalicoReservationTest, IsNotWrittenWhereCalicoGivesNoAddresses) {
  put_host_node();
  auto methods = this->methods();
  CalicoReservation reservation(
      client_, methods, [this] { return claimed_; }, Log::silent());
  set_pool(R"({"ranges":["10.1.0.0/30"]})");
  ASSERT_TRUE(reservation.ensure());
  EXPECT_TRUE(stored().is_null());
}

}  // namespace
}  // namespace vk8s::controller
