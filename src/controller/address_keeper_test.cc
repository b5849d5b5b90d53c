// With the allocator itself, on a fake API server.
#include "controller/address_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_world.h"
#include "controller/resource.h"
#include "controller/test_cluster.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
namespace resources = kube::resources;

class AddressKeeperTest : public testing::Test {
 protected:
  AddressKeeperTest()
      : server_(loop_.run([this] { return std::make_unique<kube::FakeClient>(loop_.loop()); })),
        client_(loop_.loop(), *server_, seconds(10)),
        allocator_(loop_.run([this] {
          auto out = std::make_unique<ipmanager::Allocator>(loop_.loop(), *server_, Log::silent());
          ipmanager::Allocator::Handlers handlers;
          handlers.on_allocation = [this](const auto& each) { index_.put(each); };
          handlers.on_released = [this](const auto& each) { index_.erase(each); };
          out->add_handlers(std::move(handlers));
          return out;
        })),
        blocking_(loop_.loop(), *allocator_, seconds(10)),
        methods_(client_, world_, StaticIpMethod::kAuto, [this] { return now_; }),
        keeper_(AddressKeeper::Parts{blocking_, index_, methods_, client_, world_, Log::silent()}) {
    world_.put(resources::kNode,
               JsonObject{{"metadata", JsonObject{{"name", "host-1"},
                                                  {"annotations",
                                                   JsonObject{{api::kHeldIpsAnnotation, ""}}}}}});
    put_pool("pool", R"(["10.1.0.0/29"])");
  }
  ~AddressKeeperTest() override {
    loop_.run([this] {
      allocator_->stop();
      allocator_.reset();
      server_.reset();
    });
  }

  void put(const kube::Resource& resource, Json object) {
    loop_.run([&] { server_->put(resource, std::move(object)); });
  }
  void put_pool(std::string_view name, std::string_view ranges) {
    put(resources::kVNodeIPPool,
        base::parse_json(fmt::format(R"({{"metadata":{{"name":"{}","uid":"u-{}",
            "creationTimestamp":"2026-01-01T00:00:00Z"}},"spec":{{"ranges":{}}}}})",
                                     name, name, ranges))
            .value());
  }
  void sync() {
    loop_.run([this] {
      allocator_->when_synced([this] { index_.set_synced(); });
      allocator_->start();
    });
    ASSERT_TRUE(loop_.wait_until([this] { return index_.has_synced(); }, seconds(5)));
  }
  // What others wrote is known here.
  bool knows(std::string_view address) {
    return loop_.wait_until(
        [&] { return allocator_->find(IpAddress::parse(address).value()).has_value(); },
        seconds(5));
  }
  Json stored(std::string_view name) {
    return loop_.run([&] {
      const Json* found = server_->peek(resources::kIPAllocation, {"", std::string(name)});
      return found == nullptr ? Json() : *found;
    });
  }
  std::vector<std::string> writes() {
    return loop_.run([this] {
      std::vector<std::string> out;
      for (const kube::FakeRequest& request : server_->requests()) {
        if (request.verb != "get" && request.verb != "list" && request.verb != "watch") {
          out.push_back(request.verb + " " + request.resource.kind + " " + request.key.name);
        }
      }
      server_->clear_requests();
      return out;
    });
  }

  // "demo" with its master at that address ("" = anywhere).
  static Cluster cluster(std::string_view master_ip, bool all = true,
                         std::string_view uid = "uid-demo") {
    Json object = vk8s_object("demo", uid);
    if (!master_ip.empty()) {
      set(object, "spec.nodes.0.ip", Json(master_ip));
    }
    if (all) {
      set(object, "spec.network", JsonObject{{"staticIPs", true}});
    }
    return cluster_of(api::parse_vk8s(object).value());
  }
  // The StatefulSets of all nodes, as the controller writes them.
  static NodeSets sets_of(const Cluster& cluster) {
    NodeSets out;
    for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
      out[node.name] =
          std::make_shared<const Json>(make_node_stateful_set(node.name)->desired(cluster));
    }
    return out;
  }
  std::string address_of(const Cluster& cluster, const std::string& node) {
    const auto at = cluster.addresses.find(node);
    return at == cluster.addresses.end() ? "none" : at->second.address.to_string();
  }

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::FakeClient> server_;
  base::WallTime now_ = std::chrono::system_clock::now();
  BatchClient client_;
  FakeWorld world_;
  AddressIndex index_;
  std::unique_ptr<ipmanager::Allocator> allocator_;
  ipmanager::BlockingAllocator blocking_;
  AddressMethods methods_;
  AddressKeeper keeper_;
};

TEST_F(AddressKeeperTest, AsksForNothingWhereNobodyWantsAnAddress) {
  Cluster plain = demo_cluster();
  const auto outcome = keeper_.ensure(plain, {});
  EXPECT_FALSE(outcome.problem);
  EXPECT_FALSE(keeper_.release_left(plain));
  EXPECT_TRUE(plain.addresses.empty());
  EXPECT_TRUE(loop_.run([this] { return server_->requests().empty(); }));
}

TEST_F(AddressKeeperTest, GivesEachNodeOneAddressForEver) {
  sync();
  Cluster first = cluster("");
  ASSERT_FALSE(keeper_.ensure(first, {}).problem);
  ASSERT_EQ(first.addresses.size(), 2U);
  EXPECT_NE(address_of(first, "demo-master-1"), address_of(first, "demo-worker-1"));
  EXPECT_TRUE(first.held_back.empty());
  const Json object = stored(address_of(first, "demo-master-1"));
  EXPECT_EQ(base::to_string(*base::find(object, "spec.owner")),
            R"({"namespace":"team-a","pod":"demo-master-1-0","cluster":"demo",)"
            R"("clusterUID":"uid-demo","node":"demo-master-1"})");
  writes();

  Cluster again = cluster("");
  ASSERT_FALSE(keeper_.ensure(again, {}).problem);
  EXPECT_EQ(again.addresses, first.addresses);
  EXPECT_THAT(writes(), ElementsAre());
}

TEST_F(AddressKeeperTest, GivesOnlyWhoAsksAndWhatIsAskedFor) {
  sync();
  Cluster one = cluster("10.1.0.5", false);
  ASSERT_FALSE(keeper_.ensure(one, {}).problem);
  EXPECT_EQ(address_of(one, "demo-master-1"), "10.1.0.5");
  EXPECT_EQ(address_of(one, "demo-worker-1"), "none");
}

TEST_F(AddressKeeperTest, TakesNewAddressesOfThePoolThatIsNamed) {
  put_pool("edge", R"(["10.2.0.0/24"])");
  sync();
  Json object = vk8s_object();
  set(object, "spec.network", JsonObject{{"staticIPs", true}, {"ipPool", "edge"}});
  Cluster cluster = cluster_of(api::parse_vk8s(object).value());
  ASSERT_FALSE(keeper_.ensure(cluster, {}).problem);
  EXPECT_THAT(address_of(cluster, "demo-master-1"), testing::StartsWith("10.2.0."));
}

TEST_F(AddressKeeperTest, NamesWhoHasAnAddressAndTakesNothingElseMeanwhile) {
  sync();
  put(resources::kIPAllocation,
      base::parse_json(R"({"metadata":{"name":"10.1.0.5"},"spec":{"address":"10.1.0.5",
          "owner":{"namespace":"team-b","pod":"web-0"}}})")
          .value());
  ASSERT_TRUE(knows("10.1.0.5"));
  writes();
  Cluster cluster = this->cluster("10.1.0.5");
  const auto outcome = keeper_.ensure(cluster, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->reason, "AddressUnavailable");
  EXPECT_EQ(outcome.problem->phase, "Fail");
  EXPECT_EQ(outcome.problem->retry_after, seconds(10));
  EXPECT_THAT(outcome.problem->message,
              testing::StartsWith("spec.nodes[].ip 10.1.0.5 of node \"demo-master-1\": "));
  EXPECT_THAT(outcome.problem->message, HasSubstr("team-b/web-0"));
  EXPECT_THAT(cluster.held_back, ElementsAre("demo-master-1", "demo-worker-1"));
  EXPECT_EQ(keeper_.waiting(), std::vector<kube::ObjectKey>{(kube::ObjectKey{"team-a", "demo"})});
  EXPECT_THAT(writes(), ElementsAre("create IPAllocation 10.1.0.5"))
      << "two that lack something must not wait for each other";

  loop_.run([this] {
    (void)server_->remove(resources::kIPAllocation, {"", "10.1.0.5"}, {}, [](auto) {});
  });
  ASSERT_TRUE(loop_.wait_until(
      [&] { return !allocator_->find(IpAddress::parse("10.1.0.5").value()); }, seconds(5)));
  Cluster later = this->cluster("10.1.0.5");
  EXPECT_FALSE(keeper_.ensure(later, {}).problem);
  EXPECT_EQ(later.addresses.size(), 2U);
  EXPECT_TRUE(keeper_.waiting().empty());
}

TEST_F(AddressKeeperTest, LeavesARunningClustersPhaseToItsNodes) {
  sync();
  Cluster running = cluster("");
  Cluster grown = cluster("192.0.2.1");
  const auto outcome = keeper_.ensure(grown, sets_of(running));
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->phase, "");
  EXPECT_TRUE(grown.held_back.empty()) << "these run already";
}

TEST_F(AddressKeeperTest, BelievesTheStatefulSetsWhileNothingIsKnown) {
  Cluster before = cluster("");
  before.addresses["demo-master-1"].address = IpAddress::parse("10.1.0.3").value();
  Cluster now = cluster("");
  const auto outcome = keeper_.ensure(now, sets_of(before));
  EXPECT_EQ(address_of(now, "demo-master-1"), "10.1.0.3");
  EXPECT_EQ(address_of(now, "demo-worker-1"), "none");
  ASSERT_TRUE(outcome.problem) << "the worker never had one";
  EXPECT_THAT(outcome.problem->message, HasSubstr("not known yet"));
  EXPECT_EQ(outcome.problem->retry_after, seconds(2));
}

TEST_F(AddressKeeperTest, SaysWhatToInstallOnAnOlderHost) {
  loop_.run([this] {
    server_->fail_next("list", resources::kIPAllocation,
                       Error(Errc::kNotFound, "could not find the requested resource"));
  });
  Cluster cluster = this->cluster("");
  const auto outcome = keeper_.ensure(cluster, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_THAT(outcome.problem->message, HasSubstr("does not know the kinds VNodeIPPool"));
}

TEST_F(AddressKeeperTest, TakesNothingOnAHostThatCannotGiveItToAPod) {
  world_.erase(resources::kNode, {"", "host-1"});
  sync();
  writes();
  Cluster cluster = this->cluster("");
  const auto outcome = keeper_.ensure(cluster, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_THAT(outcome.problem->message, HasSubstr("neither Calico's IPAM nor"));
  EXPECT_EQ(cluster.held_back.size(), 2U);
  EXPECT_THAT(writes(), ElementsAre());
}

TEST_F(AddressKeeperTest, KeepsARunningPodsAnnotationsWhateverTheHostIsNow) {
  sync();
  Cluster before = cluster("");
  ASSERT_FALSE(keeper_.ensure(before, {}).problem);
  for (auto& [node, address] : before.addresses) {
    address.annotations["cni.projectcalico.org/ipAddrs"] = "[\"x\"]";
  }
  world_.erase(resources::kNode, {"", "host-1"});
  now_ += std::chrono::minutes(11);
  Cluster now = cluster("");
  const NodeSets sets = sets_of(before);
  EXPECT_FALSE(keeper_.ensure(now, sets).problem);
  EXPECT_EQ(now.addresses, before.addresses);
}

TEST_F(AddressKeeperTest, GivesBackALostAddressToItsNodeAndNoOther) {
  sync();
  Cluster before = cluster("");
  before.addresses["demo-master-1"].address = IpAddress::parse("10.1.0.3").value();
  before.addresses["demo-worker-1"].address = IpAddress::parse("10.1.0.4").value();
  Cluster now = cluster("");
  EXPECT_FALSE(keeper_.ensure(now, sets_of(before)).problem);
  EXPECT_EQ(address_of(now, "demo-master-1"), "10.1.0.3");
  EXPECT_EQ(address_of(now, "demo-worker-1"), "10.1.0.4");
  EXPECT_FALSE(stored("10.1.0.3").is_null());
}

TEST_F(AddressKeeperTest, RefusesAnAddressThatTheClusterItselfWouldHide) {
  put_pool("inside", R"(["100.72.0.0/24"])");
  sync();
  writes();
  Cluster cluster = this->cluster("100.72.0.7");
  const auto outcome = keeper_.ensure(cluster, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_THAT(outcome.problem->message,
              HasSubstr("100.72.0.7 lies in spec.kubernetes.podNetworkCidr 100.72.0.0/16"));
  EXPECT_THAT(writes(), ElementsAre());
}

TEST_F(AddressKeeperTest, WaitsForAnEarlierClusterOfItsName) {
  sync();
  Cluster earlier = cluster("10.1.0.5", false, "uid-earlier");
  ASSERT_FALSE(keeper_.ensure(earlier, {}).problem);
  Cluster now = cluster("10.1.0.5", false);
  const auto outcome = keeper_.ensure(now, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->phase, "Waiting");
  EXPECT_EQ(outcome.problem->retry_after, seconds(2));
  EXPECT_THAT(outcome.problem->message, HasSubstr("an earlier Vk8s of this name"));
}

TEST_F(AddressKeeperTest, ExchangesTheAddressOfANodeThatCameBackWithAnother) {
  sync();
  Cluster before = cluster("10.1.0.5", false);
  ASSERT_FALSE(keeper_.ensure(before, {}).problem);
  Cluster now = cluster("10.1.0.6", false);
  auto outcome = keeper_.ensure(now, {});
  if (outcome.problem) {  // the watch has not brought the release yet
    ASSERT_TRUE(loop_.wait_until(
        [&] {
          const auto old = allocator_->find(IpAddress::parse("10.1.0.5").value());
          return !old || old->releasing;
        },
        seconds(5)));
    outcome = keeper_.ensure(now, {});
  }
  ASSERT_FALSE(outcome.problem) << outcome.problem->message;
  EXPECT_EQ(address_of(now, "demo-master-1"), "10.1.0.6");
  const Json old = stored("10.1.0.5");
  EXPECT_TRUE(old.is_null() || base::get_bool(old, "spec.releasing").value_or(false));
}

TEST_F(AddressKeeperTest, GivesBackWhatANodeHadOnceNothingOfItIsLeft) {
  sync();
  Cluster whole = cluster("");
  ASSERT_FALSE(keeper_.ensure(whole, {}).problem);
  const std::string address = address_of(whole, "demo-worker-1");
  Cluster smaller = cluster("");
  smaller.vk8s.spec.nodes.pop_back();
  const auto releasing = [&] {
    const Json object = stored(address);
    return object.is_null() || base::get_bool(object, "spec.releasing").value_or(false);
  };
  const NodeSets sets = sets_of(whole);
  world_.put(resources::kStatefulSet, *sets.at("demo-worker-1"));
  EXPECT_FALSE(keeper_.release_left(smaller));
  EXPECT_FALSE(releasing());
  world_.erase(resources::kStatefulSet, {"team-a", "demo-worker-1"});
  const Json pod =
      JsonObject{{"metadata", JsonObject{{"namespace", "team-a"}, {"name", "demo-worker-1-0"}}}};
  world_.put(resources::kPod, pod);
  EXPECT_FALSE(keeper_.release_left(smaller));
  EXPECT_FALSE(releasing());
  world_.erase(resources::kPod, {"team-a", "demo-worker-1-0"});
  EXPECT_FALSE(keeper_.release_left(smaller));
  EXPECT_TRUE(releasing());
  EXPECT_FALSE(base::get_bool(stored(address_of(whole, "demo-master-1")), "spec.releasing"));
}

TEST_F(AddressKeeperTest, LeavesWhatHasComeToSomebodyElseMeanwhile) {
  sync();
  api::IpAllocation others;
  others.address = IpAddress::parse("10.1.0.5").value();
  others.owner = api::IpOwner{"team-b", "web-0", "", "", ""};
  put(resources::kIPAllocation, api::to_json(others));
  ASSERT_TRUE(knows("10.1.0.5"));
  Cluster one = cluster("");
  api::IpAllocation earlier = others;
  earlier.owner = api::IpOwner{"team-a", "gone-0", "demo", "uid-demo", "gone"};
  index_.put(earlier);
  const auto problem = keeper_.release_left(one);
  EXPECT_FALSE(problem) << "it is not the cluster's trouble: " << problem->message;
  EXPECT_FALSE(base::get_bool(stored("10.1.0.5"), "spec.releasing"));
}

// Calico hosts: the method's word counts before a pod is made.
class AddressKeeperOnCalico : public AddressKeeperTest {
 protected:
  AddressKeeperOnCalico() {
    put(calico::kIPPool,
        base::parse_json(
            R"({"metadata":{"name":"c"},"spec":{"cidr":"10.1.0.0/16","blockSize":29}})")
            .value());
    put_holder("demo-master-1-0");
  }
  void put_holder(std::string_view pod) {
    put(calico::kIPAMBlock,
        base::parse_json(fmt::format(R"({{"metadata":{{"name":"10-1-0-0-29"}},"spec":{{
            "cidr":"10.1.0.0/29","allocations":[null,null,null,null,null,0,null,null],
            "attributes":[{{"secondary":{{"namespace":"team-a","pod":"{}"}}}}]}}}})",
                                     pod))
            .value());
  }
};

TEST_F(AddressKeeperOnCalico, HoldsThePodBackWhileTheAddressIsWithSomebody) {
  sync();
  Cluster cluster = this->cluster("10.1.0.5", false);
  auto outcome = keeper_.ensure(cluster, {});
  ASSERT_TRUE(outcome.problem);
  EXPECT_THAT(outcome.problem->message, HasSubstr("the earlier pod of this node"));
  EXPECT_THAT(cluster.held_back, ElementsAre("demo-master-1"));
  EXPECT_EQ(
      cluster.addresses.at("demo-master-1").annotations.count("cni.projectcalico.org/ipAddrs"), 1U);

  // Resumed: its StatefulSet is there, without a pod.
  cluster.paused = true;
  const NodeSets stopped = sets_of(cluster);
  Cluster resumed = this->cluster("10.1.0.5", false);
  EXPECT_TRUE(keeper_.ensure(resumed, stopped).problem);
  EXPECT_THAT(resumed.held_back, ElementsAre("demo-master-1"));
  Cluster paused = this->cluster("10.1.0.5", false);
  paused.paused = true;
  EXPECT_FALSE(keeper_.ensure(paused, stopped).problem);
  EXPECT_TRUE(paused.held_back.empty());
}

TEST_F(AddressKeeperOnCalico, NamesWhoKeepsARunningNodesPodFromStarting) {
  sync();
  put_holder("web-0");
  Cluster cluster = this->cluster("10.1.0.5", false);
  const NodeSets sets = sets_of(cluster);
  Json pod =
      JsonObject{{"metadata", JsonObject{{"namespace", "team-a"}, {"name", "demo-master-1-0"}}}};
  world_.put(resources::kPod, pod);
  const auto outcome = keeper_.ensure(cluster, sets);
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->phase, "");
  EXPECT_THAT(outcome.problem->message, HasSubstr("pod team-a/web-0"));
  EXPECT_TRUE(cluster.held_back.empty());
  set(pod, "status.podIP", "10.1.0.5");
  world_.put(resources::kPod, pod);
  EXPECT_FALSE(keeper_.ensure(cluster, sets).problem);
}

}  // namespace
}  // namespace vk8s::controller
