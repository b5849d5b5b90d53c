// ip list, pools, reserve, release; and what other verbs show of fixed addresses.
#include "api/ip_allocation.h"
#include "cli/test_fixture.h"
#include "kube/yaml.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace resources = kube::resources;

class IpTest : public CliTest {
 protected:
  void put_pool(const std::string& name, const std::string& spec) {
    Json object = base::parse_json(R"({"metadata":{"creationTimestamp":"2026-05-01T09:00:00Z"},
        "spec":)" + spec + R"(,"status":{"conditions":[{"type":"Ready","status":"True",
        "reason":"Ready","message":""}]}})")
                      .value();
    object.at("metadata").as_object()["name"] = name;
    host_.put(resources::kVNodeIPPool, object);
  }
  void put_allocation(const std::string& address, const std::string& rest) {
    const auto parsed = IpAddress::parse(address).value();
    Json object = base::parse_json(R"({"metadata":{"creationTimestamp":"2026-05-01T09:00:00Z"},
        "spec":{"address":")" + address +
                                   "\"" + rest + "}}")
                      .value();
    object.at("metadata").as_object()["name"] = api::allocation_name(parsed);
    host_.put(resources::kIPAllocation, object);
  }
  const Json* allocation(const std::string& name) {
    return host_.peek(resources::kIPAllocation, {"", name});
  }
  // "team-a" of namespace research, whose nodes have fixed addresses.
  std::string put_static_cluster() {
    Json object = cluster_object("team-a");
    object.at("spec").as_object()["network"] = JsonObject{{"staticIPs", true}};
    put_cluster(object);
    return std::string(base::get_string(*stored("team-a"), "metadata.uid").value());
  }
  static std::string owner_of(const std::string& uid, const std::string& node) {
    return R"(,"pool":"edge","owner":{"namespace":"research","pod":")" + node +
           R"(-0","cluster":"team-a","clusterUID":")" + uid + R"(","node":")" + node + "\"}";
  }
};

TEST_F(IpTest, ListShowsWhoHasWhat) {
  put_allocation("10.1.0.9", R"(,"pool":"edge","note":"the printer")");
  put_allocation("fd00::7", R"(,"owner":{"namespace":"other","pod":"web-0"},"releasing":true)");
  put_allocation("10.1.0.10", owner_of("u", "team-a-master-1"));
  host_.put(resources::kPod,
            base::parse_json(R"({"metadata":{"namespace":"research","name":"team-a-master-1-0",
                "labels":{"vk8s.sktelecom.com/static-ip":"true"}},"spec":{"nodeName":"host-1"}})")
                .value());
  EXPECT_EQ(run({"ip", "list"}).out,
            "ADDRESS     STATE          OWNER                        POOL   AGE\n"
            "10.1.0.9    reserved       -                            edge   5m\n"
            "10.1.0.10   allocated      research/team-a-master-1-0   edge   5m\n"
            "fd00::7     deallocating   other/web-0                  -      5m\n");
  const std::string wide = run({"ip", "ls", "-o", "wide"}).out;
  EXPECT_THAT(wide, HasSubstr("team-a    host-1"));
  EXPECT_THAT(wide, HasSubstr("the printer"));
  EXPECT_EQ(run({"ip", "list", "-n", "other", "-o", "name"}).out,
            "ipallocation/fd00-0000-0000-0000-0000-0000-0000-0007\n");
  EXPECT_THAT(run({"ip", "list", "--pool", "edge"}).out, Not(HasSubstr("fd00")));
  const auto json = base::parse_json(run({"ip", "list", "-o", "json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(base::get_string(*json, "items.1.spec.owner.node"), "team-a-master-1");
}

TEST_F(IpTest, ListOfNothingIsNoError) {
  const Outcome outcome = run({"ip", "list"});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("No address is taken"));
}

TEST_F(IpTest, ListCleansWhatOthersHaveWrittenAndNamesWhatItCannotRead) {
  put_allocation("10.1.0.9", R"(,"note":"a\u001b[2J")");
  host_.put(resources::kIPAllocation,
            base::parse_json(R"({"metadata":{"name":"10.1.0.8"},"spec":{"address":"10.1.0.9"}})")
                .value());
  for (const char* format : {"text", "wide", "json", "yaml"}) {
    const Outcome outcome = run({"ip", "list", "-o", format});
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << format;
    EXPECT_THAT(outcome.err, HasSubstr("IPAllocation 10.1.0.8: spec.address is 10.1.0.9"));
  }
}

TEST_F(IpTest, SaysWhatToInstallWhereTheKindIsUnknown) {
  const Error unknown(Errc::kNotFound, "the server could not find the requested resource");
  for (const auto& [arguments, resource] :
       {std::pair(std::vector<std::string>{"ip", "list"}, resources::kIPAllocation),
        std::pair(std::vector<std::string>{"ip", "pools"}, resources::kVNodeIPPool),
        std::pair(std::vector<std::string>{"ip", "check"}, resources::kIPAllocation)}) {
    host_.fail_next("list", resource, unknown);
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitNotFound);
    EXPECT_THAT(outcome.err, HasSubstr("does not know the kind " + resource.kind));
  }
}

TEST_F(IpTest, PoolsShowsHowMuchIsLeft) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29","10.2.0.5"],"exclusions":["10.1.0.2"],
      "gateway":"10.1.0.1","namespaces":["research"],
      "clusterSelector":{"matchLabels":{"site":"a"}}})");
  put_pool("broken", R"({"ranges":["10.300.0.0/29"]})");
  put_allocation("10.1.0.3", R"(,"pool":"edge")");
  const std::string text = run({"ip", "pools"}).out;
  EXPECT_THAT(text, HasSubstr("NAME     RANGES                 CAPACITY   TAKEN   STANDING   AGE"));
  EXPECT_THAT(text, HasSubstr("edge     10.1.0.0/29,10.2.0.5   5          1       Ready      5m"));
  EXPECT_THAT(text, HasSubstr("Invalid"));
  const std::string wide = run({"ip", "pools", "-o", "wide"}).out;
  EXPECT_THAT(wide, HasSubstr("10.1.0.2     10.1.0.1   research     site=a"));
  EXPECT_THAT(wide, HasSubstr("spec.ranges[0]"));
  EXPECT_THAT(run({"ip", "pools", "-o", "yaml"}).out, HasSubstr("10.2.0.5"));
}

TEST_F(IpTest, ReserveKeepsAnAddressOfAPool) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29"]})");
  const Outcome outcome = run({"ip", "reserve", "10.1.0.3", "--note", "the printer"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.out, "ipallocation/10.1.0.3 reserved for nobody\n");
  ASSERT_NE(allocation("10.1.0.3"), nullptr);
  EXPECT_EQ(base::to_string(*base::find(*allocation("10.1.0.3"), "spec")),
            R"({"address":"10.1.0.3","pool":"edge","note":"the printer"})");
  const Outcome again = run({"ip", "reserve", "10.1.0.3"});
  EXPECT_EQ(again.code, kExitConflict);
  EXPECT_THAT(again.err, HasSubstr("10.1.0.3 is taken by nobody: it is reserved"));
}

TEST_F(IpTest, ReserveForAPodOfACluster) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29"],"namespaces":["research"]})");
  const std::string uid = put_static_cluster();
  EXPECT_EQ(run({"ip", "reserve", "10.1.0.3", "--for", "research/team-a-worker-1-0"}).code,
            kExitOk);
  const api::IpAllocation made = api::parse_ip_allocation(*allocation("10.1.0.3")).value();
  EXPECT_EQ(made.owner,
            (api::IpOwner{"research", "team-a-worker-1-0", "team-a", uid, "team-a-worker-1"}));
  const Outcome second = run({"ip", "reserve", "10.1.0.4", "--for", "research/team-a-worker-1-0"});
  EXPECT_EQ(second.code, kExitConflict);
  EXPECT_THAT(second.err, HasSubstr("has an address already: 10.1.0.3"));
  const Outcome other = run({"ip", "reserve", "10.1.0.5", "--for", "elsewhere/camera"});
  EXPECT_EQ(other.code, kExitUsage);
  EXPECT_THAT(other.err, HasSubstr("VNodeIPPool edge gives nothing to namespace elsewhere"));
}

TEST_F(IpTest, ReserveGivesAReservationToAPodOnce) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29"]})");
  put_allocation("10.1.0.3", R"(,"pool":"edge","note":"kept for the camera")");
  EXPECT_EQ(run({"ip", "reserve", "10.1.0.3", "--for", "research/camera"}).out,
            "ipallocation/10.1.0.3 reserved for research/camera\n");
  const api::IpAllocation given = api::parse_ip_allocation(*allocation("10.1.0.3")).value();
  EXPECT_EQ(given.owner->to_string(), "research/camera");
  EXPECT_EQ(given.note, "kept for the camera");
  const Outcome other = run({"ip", "reserve", "10.1.0.3", "--for", "research/other"});
  EXPECT_EQ(other.code, kExitConflict);
  EXPECT_THAT(other.err, HasSubstr("10.1.0.3 is taken by pod research/camera"));
}

TEST_F(IpTest, ReserveRefusesBadValuesNamingThem) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29"]})");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"ip", "reserve", "10.1.0"}, "ADDRESS"},
      {{"ip", "reserve", "::ffff:10.1.0.3"}, "ADDRESS"},
      {{"ip", "reserve", "10.1.0.0"}, "10.1.0.0 is none that a VNodeIPPool may give"},
      {{"ip", "reserve", "10.9.0.3"}, "10.9.0.3 is none that a VNodeIPPool may give"},
      {{"ip", "reserve", "10.1.0.3", "--for", "camera"}, "--for \"camera\": NAMESPACE/POD"},
      {{"ip", "reserve", "10.1.0.3", "--for", "a/b/c"}, "NAMESPACE/POD"},
      {{"ip", "reserve", "10.1.0.3", "--note", std::string(1025, 'x')}, "--note: at most 1024"}};
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitUsage) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  }
}

TEST_F(IpTest, ReserveKeepsOnlyWhatAPoolMayGive) {
  put_pool("edge", R"({"ranges":["10.1.0.0/24"]})");
  put_pool("other", R"({"ranges":["10.2.0.0/29"],"gateway":"10.1.0.9"})");
  Json leaving = *host_.peek(resources::kVNodeIPPool, {"", "other"});
  leaving.at("metadata").as_object()["deletionTimestamp"] = "2026-05-01T09:00:00Z";
  leaving.at("metadata").as_object()["finalizers"] = JsonArray{"x"};
  host_.put(resources::kVNodeIPPool, leaving);
  host_.put(resources::kNode, base::parse_json(R"({"metadata":{"name":"host-1"},
      "spec":{"podCIDR":"10.1.0.128/26"}})")
                                  .value());
  const std::pair<const char*, const char*> cases[] = {
      {"10.1.0.9", "is the gateway of VNodeIPPool other"},
      {"10.1.0.130", "lies in 10.1.0.128/26, which Node host-1 gives to its pods"},
      {"10.1.0.255", "is a network or broadcast address"},
      {"10.2.0.3", "is being deleted"}};
  for (const auto& [address, why] : cases) {
    const Outcome outcome = run({"ip", "reserve", address});
    EXPECT_EQ(outcome.code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr(why));
  }
  EXPECT_EQ(run({"ip", "reserve", "10.1.0.10"}).code, kExitOk);
  host_.fail_next("list", resources::kNode, Error(Errc::kForbidden, "no right"));
  const Outcome blind = run({"ip", "reserve", "10.1.0.11"});
  EXPECT_EQ(blind.code, kExitOk);
  EXPECT_THAT(blind.err, HasSubstr("You may not list Nodes"));
}

TEST_F(IpTest, ReleaseMarksTheRecordAndNoLaterOne) {
  put_allocation("10.1.0.3", R"(,"owner":{"namespace":"research","pod":"camera"})");
  const Outcome outcome = run({"ip", "release", "10.1.0.3"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("free once no pod has it"));
  EXPECT_EQ(base::get_bool(*allocation("10.1.0.3"), "spec.releasing"), true);
  EXPECT_EQ(run({"ip", "release", "10.1.0.3"}).code, kExitOk) << "twice does no harm";

  put_allocation("10.1.0.4", "");
  bool is_first = true;
  host_.set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb == "patch" && std::exchange(is_first, false)) {
      put_allocation("10.1.0.4", R"(,"note":"taken meanwhile")");
    }
    return std::nullopt;
  });
  EXPECT_EQ(run({"ip", "release", "10.1.0.4"}).code, kExitConflict);
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.4"), "spec.releasing"));
}

TEST_F(IpTest, ReleaseLeavesANodeItsAddressUnlessForced) {
  const std::string uid = put_static_cluster();
  put_allocation("10.1.0.3", owner_of(uid, "team-a-master-1"));
  put_allocation("10.1.0.4", owner_of(uid, "team-a-worker-9"));
  put_allocation("10.1.0.5", owner_of("uid-of-an-earlier-one", "team-a-master-1"));
  const Outcome refused = run({"ip", "release", "10.1.0.3"});
  EXPECT_EQ(refused.code, kExitConflict);
  EXPECT_THAT(refused.err,
              HasSubstr("fixed address of node team-a-master-1 of Vk8s research/team-a"));
  EXPECT_EQ(run({"ip", "release", "10.1.0.4"}).code, kExitOk) << "that node is no more";
  EXPECT_EQ(run({"ip", "release", "10.1.0.5"}).code, kExitOk) << "nor is that cluster";
  const Outcome forced = run({"ip", "release", "10.1.0.3", "--force"});
  EXPECT_EQ(forced.code, kExitOk);
  EXPECT_THAT(forced.err, HasSubstr("even if one still has it"));
  EXPECT_EQ(allocation("10.1.0.3"), nullptr);
  const Outcome nobody = run({"ip", "release", "10.1.0.3"});
  EXPECT_EQ(nobody.code, kExitNotFound);
  EXPECT_THAT(nobody.err, HasSubstr("nobody has 10.1.0.3"));
}

TEST_F(IpTest, ReleaseTakesNothingOfAClusterThatItCannotSee) {
  put_allocation("10.1.0.5", owner_of("u", "team-a-master-1"));
  for (const Error& unseen :
       {Error(Errc::kForbidden, "vk8s.sktelecom.com \"team-a\" is forbidden"),
        Error(Errc::kTimeout, "no answer"),
        Error(Errc::kNotFound, "the server could not find the requested resource")}) {
    host_.fail_next("get", resources::kVk8s, unseen);
    const Outcome outcome = run({"ip", "release", "10.1.0.5"});
    EXPECT_NE(outcome.code, kExitOk);
    EXPECT_THAT(outcome.err, HasSubstr("whether Vk8s research/team-a still wants 10.1.0.5"));
  }
  Json unreadable = cluster_object("team-a");
  unreadable.at("metadata").as_object()["uid"] = "u";
  unreadable.as_object()["spec"] = JsonObject{{"nodes", "of a later version"}};
  put_cluster(unreadable);
  EXPECT_NE(run({"ip", "release", "10.1.0.5"}).code, kExitOk);
  EXPECT_FALSE(base::get_bool(*allocation("10.1.0.5"), "spec.releasing"));
}

TEST_F(IpTest, CreateAsksForFixedAddresses) {
  EXPECT_EQ(run({"create", "team-a", "--static-ips", "--ip-pool", "edge"}).code, kExitOk);
  EXPECT_EQ(base::to_string(*base::find(*stored("team-a"), "spec.network")),
            R"({"staticIPs":true,"ipPool":"edge"})");
  EXPECT_EQ(run({"create", "team-b"}).code, kExitOk);
  EXPECT_EQ(base::find(*stored("team-b"), "spec.network"), nullptr);
  const Outcome outcome = run({"create", "team-c", "--ip-pool", "edge"});
  EXPECT_EQ(outcome.code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("--static-ips"));
  EXPECT_EQ(run({"create", "team-c", "--static-ips", "--ip-pool", "a b"}).code, kExitUsage);
}

TEST_F(IpTest, GetAndListShowFixedAddressesWhenWide) {
  Json object = cluster_in_phase("team-a", "Running");
  JsonArray& nodes = object.at("status").at("nodes").as_array();
  nodes[0].as_object()["reservedIP"] = "10.1.0.3";
  nodes[1].as_object()["reservedIP"] = "10.1.0.4";
  put_cluster(object);
  EXPECT_THAT(run({"get", "team-a", "-o", "wide"}).out, HasSubstr("10.0.0.7   10.1.0.3   v1.37.2"));
  EXPECT_THAT(run({"list", "-o", "wide"}).out, HasSubstr("10.1.0.3,10.1.0.4"));
  EXPECT_THAT(run({"get", "team-a"}).out, Not(HasSubstr("10.1.0.3")));
}

TEST_F(IpTest, CompletesAddressesThatAreTakenAndPools) {
  put_pool("edge", R"({"ranges":["10.1.0.0/29"]})");
  put_allocation("10.1.0.3", R"(,"owner":{"namespace":"research","pod":"camera"})");
  EXPECT_EQ(run({"__complete", "ip", "release", ""}).out, "10.1.0.3\tpod research/camera\n:4\n");
  EXPECT_EQ(run({"__complete", "ip", "reserve", ""}).out, ":4\n");
  EXPECT_EQ(run({"__complete", "ip", "list", "--pool", "e"}).out, "edge\n:4\n");
  EXPECT_EQ(run({"__complete", "create", "x", "--ip-pool", ""}).out, "edge\n:4\n");
  EXPECT_THAT(run({"__complete", "ip", "r"}).out, HasSubstr("reserve\t"));
}

}  // namespace
}  // namespace vk8s::cli
