// ip check: each thing that can be wrong, and what --repair does about it.
#include "cli/address_checks.h"

#include "cli/test_fixture.h"

namespace vk8s::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace resources = kube::resources;

Json json(const std::string& text) { return base::parse_json(text).value(); }

// A host where all is well: a cluster "demo" with one node at 10.1.0.3.
class AddressChecksTest : public CliTest {
 protected:
  AddressChecksTest() {
    host_.put(resources::kVNodeIPPool,
              json(R"({"metadata":{"name":"edge"},"spec":{"ranges":["10.1.0.0/29"]}})"));
    put_cluster(json(R"({"metadata":{"namespace":"research","name":"demo","uid":"u-demo"},
        "spec":{"network":{"staticIPs":true},"nodes":[{"name":"m","role":"master"}]}})"));
    put_allocation("10.1.0.3", kOwner);
    put_pod("m-0", "10.1.0.3", "10.1.0.3");
    put_node(R"([{"ip":"10.1.0.3","pod":"research/m-0"}])");
  }

  void put_allocation(const std::string& address, const std::string& rest) {
    host_.put(resources::kIPAllocation,
              json(R"({"metadata":{"name":")" + address + R"("},"spec":{"address":")" + address +
                   "\"" + rest + "}}"));
  }
  void put_pod(const std::string& name, const std::string& wanted, const std::string& actual,
               const std::string& phase = "Running") {
    Json pod = json(R"({"metadata":{"namespace":"research","name":")" + name +
                    R"("},"spec":{"nodeName":"host-1"},"status":{"phase":")" + phase + "\"}}");
    if (!wanted.empty()) {
      pod.at("metadata").as_object()["annotations"] = JsonObject{{api::kIpAnnotation, wanted}};
    }
    if (!actual.empty()) {
      pod.at("status").as_object()["podIPs"] = JsonArray{JsonObject{{"ip", actual}}};
    }
    host_.put(resources::kPod, pod);
  }
  void put_node(const std::string& held) {
    host_.put(resources::kNode,
              JsonObject{{"metadata", JsonObject{{"name", "host-1"},
                                                 {"annotations",
                                                  JsonObject{{api::kHeldIpsAnnotation, held}}}}}});
  }
  void remove(const kube::Resource& resource, const std::string& in, const std::string& name) {
    const auto call = host_.remove(resource, {in, name}, {}, [this](auto) { around_.loop.stop(); });
    around_.loop.run();
  }
  // "LEVEL subject: what" of each finding.
  std::vector<std::string> findings(const std::vector<std::string>& options = {}) {
    std::vector<std::string> arguments = {"ip", "check", "-o", "json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    const auto document = base::parse_json(outcome.out);
    EXPECT_TRUE(document) << outcome.out << outcome.err;
    const bool is_ok = base::get_bool(*document, "ok").value_or(false);
    EXPECT_EQ(outcome.code, is_ok ? kExitOk : kExitFailed);
    std::vector<std::string> out;
    for (const Json& each : *base::get_array(*document, "findings")) {
      out.push_back(fmt::format("{} {}: {}", *base::get_string(each, "level"),
                                *base::get_string(each, "subject"),
                                *base::get_string(each, "what")));
      EXPECT_EQ(base::get_string(each, "level") == "OK",
                base::get_string(each, "fix").value().empty())
          << "what is wrong has a remedy";
    }
    return out;
  }
  const Json* allocation(const std::string& name) {
    return host_.peek(resources::kIPAllocation, {"", name});
  }

  static constexpr const char* kOwner =
      R"(,"owner":{"namespace":"research","pod":"m-0","cluster":"demo","clusterUID":"u-demo",
          "node":"m"})";
};

TEST_F(AddressChecksTest, FindsNothingWhereAllIsWell) {
  EXPECT_EQ(run({"ip", "check"}).out, "1 address of 1 pool: nothing is wrong\n");
  put_allocation("10.1.0.4", R"(,"note":"the printer")");
  put_allocation("10.1.0.5", R"(,"owner":{"namespace":"x","pod":"may-come"})");
  put_pod("other", "", "10.9.0.1");
  EXPECT_THAT(findings(), IsEmpty());
  put_allocation("10.1.0.3", std::string(kOwner) + R"(,"releasing":true)");
  EXPECT_THAT(findings(), IsEmpty()) << "a pod has it: it waits";
}

TEST_F(AddressChecksTest, GivesBackWhatAClusterThatIsGoneHad) {
  remove(resources::kVk8s, "research", "demo");
  EXPECT_THAT(findings(), IsEmpty()) << "its pod still runs";
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  EXPECT_THAT(findings(), ElementsAre(AllOf(HasSubstr("FAIL 10.1.0.3: has pod research/m-0"),
                                            HasSubstr("that Vk8s is gone"))));
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("OK 10.1.0.3")));
  EXPECT_EQ(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"), true);
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("deleted")));
  EXPECT_EQ(allocation("10.1.0.3"), nullptr);
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(AddressChecksTest, TellsAnEarlierClusterOfTheNameApart) {
  remove(resources::kVk8s, "research", "demo");
  put_cluster(json(R"({"metadata":{"namespace":"research","name":"demo","uid":"u-later"},
      "spec":{"nodes":[{"name":"m","role":"master"}]}})"));
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("that Vk8s is gone")));
}

TEST_F(AddressChecksTest, RepairsNothingOfAClusterThatItCannotSee) {
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  put_cluster(json(R"({"metadata":{"namespace":"research","name":"demo","uid":"u-demo"},
      "spec":{"nodes":"of a later version"}})"));
  EXPECT_THAT(findings({"--repair"}), ElementsAre(AllOf(HasSubstr("WARN Vk8s research/demo"),
                                                        HasSubstr("cannot be read"))));
  remove(resources::kVk8s, "research", "demo");
  for (const Error& unseen : {Error(Errc::kForbidden, "no right"), Error(Errc::kTimeout, "slow"),
                              Error(Errc::kNotFound, "could not find the requested resource")}) {
    host_.fail_next("get", resources::kVk8s, unseen);
    EXPECT_THAT(findings({"--repair"}),
                ElementsAre(AllOf(HasSubstr("FAIL 10.1.0.3"), HasSubstr("not repaired"))));
  }
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
  host_.fail_next("list", resources::kVk8s, Error(Errc::kForbidden, "no right"));
  EXPECT_NE(run({"ip", "check", "--repair"}).code, kExitOk);
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
}

TEST_F(AddressChecksTest, GivesBackWhatANodeThatLeftHad) {
  put_allocation("10.1.0.4", R"(,"owner":{"namespace":"research","pod":"w-0","cluster":"demo",
      "clusterUID":"u-demo","node":"w"})");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("that node has left")));
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("OK 10.1.0.4")));
}

TEST_F(AddressChecksTest, FindsRecordsOutsideEveryPool) {
  host_.put(resources::kVNodeIPPool,
            json(R"({"metadata":{"name":"edge"},"spec":{"ranges":["10.2.0.0/29"]}})"));
  EXPECT_THAT(findings(),
              ElementsAre(AllOf(HasSubstr("WARN 10.1.0.3"), HasSubstr("lies outside every pool"))));
}

TEST_F(AddressChecksTest, FindsTwoForOneOwnerAndKeepsTheOneInUse) {
  put_allocation("10.1.0.4", kOwner);
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("FAIL 10.1.0.4: is one of 2 addresses")));
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("OK 10.1.0.4")));
  EXPECT_EQ(base::get_bool(*allocation("10.1.0.4"), "spec.releasing"), true);
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
}

TEST_F(AddressChecksTest, DoesNotChooseBetweenTwoThatNobodyUses) {
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  put_allocation("10.1.0.4", kOwner);
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("FAIL"), HasSubstr("FAIL")));
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.4"), "spec.releasing"));
}

TEST_F(AddressChecksTest, FindsPodsWhoseAddressIsNotTheirs) {
  put_pod("none", "10.1.0.4", "");
  put_pod("theirs", "10.1.0.3", "");
  EXPECT_THAT(findings(),
              ElementsAre(AllOf(HasSubstr("pod research/none"), HasSubstr("nobody has reserved")),
                          AllOf(HasSubstr("pod research/theirs"),
                                HasSubstr("10.1.0.3, which has pod research/m-0"))));
}

TEST_F(AddressChecksTest, FindsPodsThatWereGivenAnotherAddress) {
  put_pod("m-0", "10.1.0.3", "10.9.0.1");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("has 10.9.0.1 instead of 10.1.0.3: the network of "
                                                "node host-1")));
  put_pod("m-0", "10.1.0.3", "10.9.0.1", "Succeeded");
  EXPECT_THAT(findings(), IsEmpty()) << "it has ended";
}

TEST_F(AddressChecksTest, FindsStrangersThatHaveAnAddressOfSomebody) {
  put_pod("stranger", "", "10.1.0.3");
  EXPECT_THAT(findings(), ElementsAre(AllOf(HasSubstr("pod research/stranger"),
                                            HasSubstr("has 10.1.0.3, which has pod"))));
  Json on_the_host = json(R"({"metadata":{"namespace":"research","name":"stranger"},
      "spec":{"hostNetwork":true},"status":{"podIPs":[{"ip":"10.1.0.3"}]}})");
  host_.put(resources::kPod, on_the_host);
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(AddressChecksTest, FindsWhatNodesHoldForNobody) {
  put_node(R"([{"ip":"10.1.0.3","pod":"research/m-0"},{"ip":"10.1.0.4","pod":"research/gone"},
               {"ip":"10.1.0.5","pod":"research/m-0"}])");
  host_.put(resources::kNode,
            json(R"({"metadata":{"name":"host-2","annotations":{"vk8s.sktelecom.com/held-ips":
                "[{\"ip\":\"10.1.0.3\",\"pod\":\"research/m-0\"}]"}}})"));
  EXPECT_THAT(findings(),
              ElementsAre(HasSubstr("10.1.0.4: is held on node host-1 for pod research/gone, which "
                                    "is gone"),
                          HasSubstr("10.1.0.5: is held on node host-1 by pod research/m-0, and "
                                    "nobody has reserved it"),
                          HasSubstr("10.1.0.3: is held on node host-2 for pod research/m-0, which "
                                    "is on node host-1")));
}

TEST_F(AddressChecksTest, NamesWhatItCannotRead) {
  host_.put(resources::kVNodeIPPool,
            json(R"({"metadata":{"name":"odd"},"spec":{"ranges":["x"]}})"));
  host_.put(resources::kIPAllocation,
            json(R"({"metadata":{"name":"10.1.0.9"},"spec":{"address":"10.1.0.8"}})"));
  put_node("{\"no\": \"list\"}");
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("FAIL IPAllocation: 10.1.0.9"),
                                      HasSubstr("FAIL VNodeIPPool: odd: spec.ranges[0]"),
                                      HasSubstr("WARN Node: host-1")));
}

TEST_F(AddressChecksTest, RepairsNothingThatHasChangedMeanwhile) {
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  put_allocation("10.1.0.3", std::string(kOwner) + R"(,"releasing":true)");
  bool is_first = true;
  host_.set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb == "delete" && std::exchange(is_first, false)) {
      put_allocation("10.1.0.3", kOwner);  // taken again
    }
    return std::nullopt;
  });
  EXPECT_THAT(findings({"--repair"}), ElementsAre(HasSubstr("not repaired")));
  EXPECT_NE(allocation("10.1.0.3"), nullptr);
}

TEST_F(AddressChecksTest, ComparesWhatCalicoHas) {
  const kube::Resource blocks{"crd.projectcalico.org", "v1", "ipamblocks", "IPAMBlock", false};
  const auto put_block = [&](const std::string& allocations) {
    host_.put(blocks, json(R"({"metadata":{"name":"10-1-0-0-29"},"spec":{"cidr":"10.1.0.0/29",
        "allocations":)" + allocations +
                           R"(,"attributes":[
        {"handle_id":"a","secondary":{"namespace":"research","pod":"m-0","node":"host-1"}},
        {"handle_id":"b","secondary":{"namespace":"x","pod":"web-0","node":"host-2"}},
        {"handle_id":"vxlan-tunnel-addr-host-1"}]}})"));
  };
  put_block("[null,null,null,0,null,null,null,null]");
  EXPECT_THAT(findings(), IsEmpty()) << "it has given the node its own";
  put_block("[2,null,null,1,1,2,null,null,1]");
  EXPECT_THAT(findings({"--repair"}),
              ElementsAre(AllOf(HasSubstr("FAIL 10.1.0.3: has pod research/m-0"),
                                HasSubstr("Calico has given it to pod x/web-0 on node host-2")),
                          HasSubstr("FAIL 10.1.0.4: is of a VNodeIPPool, and Calico has given it "
                                    "to pod x/web-0 on node host-2"),
                          HasSubstr("FAIL 10.1.0.5: is of a VNodeIPPool, and Calico has given it "
                                    "to handle vxlan-tunnel-addr-host-1")));
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"));
  put_block("[null,null,null,0,null,null,null,null]");
  remove(resources::kPod, "research", "m-0");
  put_node("[]");
  EXPECT_THAT(findings(),
              ElementsAre(AllOf(HasSubstr("WARN 10.1.0.3: is still with pod research/m-0"),
                                HasSubstr("that is gone"))));
  host_.fail_next("list", blocks, Error(Errc::kForbidden, "no right"));
  EXPECT_THAT(findings(), ElementsAre(AllOf(HasSubstr("WARN IPAMBlocks: cannot be listed"),
                                            HasSubstr("no right"))));
}

TEST_F(AddressChecksTest, PrintsFindingsWithTheirRemedy) {
  put_pod("none", "10.1.0.4", "");
  const Outcome outcome = run({"ip", "check"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  pod research/none  is to have 10.1.0.4"));
  EXPECT_THAT(outcome.out, HasSubstr("-> a virtual node's is made by the controller; else: kubectl "
                                     "vk8s ip reserve 10.1.0.4 --for research/none"));
  EXPECT_THAT(outcome.err, HasSubstr("1 thing is wrong with addresses"));
}

}  // namespace
}  // namespace vk8s::cli
