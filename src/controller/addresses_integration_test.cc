// Fixed addresses on a real API server: what its schema refuses, that nodes get and keep
// theirs, who is told why not, and that nothing is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "api/ip_allocation.h"
#include "controller/api_server_host.h"
#include "controller/calico_resources.h"
#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
namespace resources = kube::resources;

constexpr const char* kIn = "team-a";

// A client that is cut off at a write, as if its process had died then: that write may
// still reach the server, nothing later does, and no answer comes back.
class MortalClient final : public kube::Client {
 public:
  MortalClient(kube::testing::LoopThread& loop, kube::Client& client, int writes,
               bool last_one_arrives)
      : loop_(loop), client_(client), writes_left_(writes), last_one_arrives_(last_one_arrives) {}

  ~MortalClient() override {
    loop_.run([this] { last_one_.cancel(); });
  }

  bool is_dead() const { return writes_left_ < 0; }

  kube::Call get(const kube::Resource& resource, const kube::ObjectKey& key,
                 Callback done) override {
    return is_dead() ? no_answer(done) : client_.get(resource, key, std::move(done));
  }
  kube::Call list(const kube::Resource& resource, std::string_view in,
                  const kube::ListOptions& options, Callback done) override {
    return is_dead() ? no_answer(done) : client_.list(resource, in, options, std::move(done));
  }
  kube::Call create(const kube::Resource& resource, std::string_view in, const Json& object,
                    Callback done, bool dry_run) override {
    return write(done, [&](Callback answer) {
      return client_.create(resource, in, object, std::move(answer), dry_run);
    });
  }
  kube::Call update(const kube::Resource& resource, const Json& object, Callback done) override {
    return write(
        done, [&](Callback answer) { return client_.update(resource, object, std::move(answer)); });
  }
  kube::Call apply(const kube::Resource& resource, const Json& object,
                   const kube::ApplyOptions& options, Callback done,
                   std::string_view subresource) override {
    return write(done, [&](Callback answer) {
      return client_.apply(resource, object, options, std::move(answer), subresource);
    });
  }
  kube::Call merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                         const Json& patch, Callback done, std::string_view subresource) override {
    return write(done, [&](Callback answer) {
      return client_.merge_patch(resource, key, patch, std::move(answer), subresource);
    });
  }
  kube::Call remove(const kube::Resource& resource, const kube::ObjectKey& key,
                    const kube::DeleteOptions& options, Callback done) override {
    return write(done, [&](Callback answer) {
      return client_.remove(resource, key, options, std::move(answer));
    });
  }
  kube::Call raw(kube::RawRequest request,
                 std::function<void(Result<kube::RawResponse>)> done) override {
    return client_.raw(std::move(request), std::move(done));
  }
  kube::Call watch(const kube::Resource& resource, std::string_view in,
                   const kube::WatchOptions& options,
                   std::function<void(kube::WatchEvent)> on_event,
                   std::function<void(Status)> on_done) override {
    return client_.watch(resource, in, options, std::move(on_event), std::move(on_done));
  }

 private:
  kube::Call write(const Callback& done, const std::function<kube::Call(Callback)>& begin) {
    if (!is_dead() && --writes_left_ >= 0) {
      return begin(done);
    }
    if (std::exchange(last_one_arrives_, false)) {
      last_one_ = begin([](const Result<Json>&) {});
    }
    return no_answer(done);
  }
  // As a connection that breaks: whoever asked is not kept waiting.
  kube::Call no_answer(const Callback& done) {
    const auto state = std::make_shared<Callback>(done);
    loop_.loop().post([weak = std::weak_ptr(state)] {
      if (const auto callback = weak.lock()) {
        (*callback)(fail(Errc::kUnavailable, "the connection broke"));
      }
    });
    return kube::Call(state);
  }

  kube::testing::LoopThread& loop_;
  kube::Client& client_;
  std::atomic<int> writes_left_;
  bool last_one_arrives_;
  kube::Call last_one_;
};

class OnApiServer : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
  }
  // The host's Nodes serve vk8s-ipam.
  static Status prepare(ApiServerHost& host) {
    VK8S_TRY(host.create_namespace(kIn));
    VK8S_TRY(host.api().create(
        resources::kNode, "",
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "Node"},
                   {"metadata",
                    JsonObject{{"name", "host-1"},
                               {"annotations", JsonObject{{api::kHeldIpsAnnotation, "[]"}}}}}}));
    return {};
  }
  static Status create_pool(ApiServerHost& host, std::string_view name, std::string_view ranges) {
    VK8S_TRY(host.api().create(
        resources::kVNodeIPPool, "",
        base::parse_json(fmt::format(R"({{"apiVersion":"vk8s.sktelecom.com/v1alpha1",
            "kind":"VNodeIPPool","metadata":{{"name":"{}"}},"spec":{{"ranges":{}}}}})",
                                     name, ranges))
            .value()));
    return {};
  }
  // Of two nodes; "" = nothing said.
  static Json cluster(std::string_view name, bool all, std::string_view master_ip = "") {
    Json out = vk8s_object(name);
    out.get_object()["metadata"] = JsonObject{{"name", Json(name)}, {"namespace", kIn}};
    if (all) {
      set(out, "spec.network", JsonObject{{"staticIPs", true}});
    }
    if (!master_ip.empty()) {
      set(out, "spec.nodes.0.ip", Json(master_ip));
    }
    return out;
  }
  static Result<Json> create(ApiServerHost& host, const Json& vk8s) {
    return host.api().create(resources::kVk8s, kIn, vk8s);
  }
  static std::string refusal(ApiServerHost& host, const Json& vk8s) {
    const auto created = create(host, vk8s);
    return created ? std::string("accepted") : created.error().message();
  }
  static std::string value(ApiServerHost& host, const kube::Resource& resource,
                           const std::string& name, std::string_view path) {
    const auto object = host.api().get(resource, {resource.namespaced ? kIn : "", name});
    return object ? std::string(base::get_string(*object, path).value_or("")) : "";
  }
  static std::string condition(ApiServerHost& host, const std::string& name,
                               std::string_view type) {
    const auto object = host.api().get(resources::kVk8s, {kIn, name});
    const JsonArray* all = object ? base::get_array(*object, "status.conditions") : nullptr;
    for (const Json& each : all == nullptr ? JsonArray() : *all) {
      if (base::get_string(each, "type") == type) {
        return std::string(base::get_string(each, "status").value_or(""));
      }
    }
    return "";
  }
  static void expect_phase(ApiServerHost& host, const std::string& name, const std::string& phase,
                           seconds limit = seconds(30)) {
    EXPECT_TRUE(host.wait_until(
        [&] { return value(host, resources::kVk8s, name, "status.phase") == phase; }, limit))
        << name << " is " << value(host, resources::kVk8s, name, "status.phase") << ": "
        << value(host, resources::kVk8s, name, "status.message");
  }
  // What the pods of a node are to carry.
  static std::string annotation(ApiServerHost& host, const std::string& node,
                                std::string_view name = api::kIpAnnotation) {
    const auto set = host.api().get(resources::kStatefulSet, {kIn, node});
    const JsonObject* all =
        set ? base::get_object(*set, "spec.template.metadata.annotations") : nullptr;
    const Json* found = all == nullptr ? nullptr : all->if_contains({name.data(), name.size()});
    return found == nullptr ? "" : std::string(found->as_string());
  }
  static std::vector<api::IpAllocation> allocations(ApiServerHost& host) {
    std::vector<api::IpAllocation> out;
    const auto list = host.api().list(resources::kIPAllocation, "");
    for (const Json& each : list ? *base::get_array(*list, "items") : JsonArray()) {
      out.push_back(api::parse_ip_allocation(each).value());
    }
    return out;
  }
  // What garbage collection and the StatefulSet controller would do.
  static void remove_cluster(ApiServerHost& host, const std::string& name) {
    EXPECT_TRUE(host.api().remove(resources::kVk8s, {kIn, name}));
    for (const kube::Resource* resource : {&resources::kStatefulSet, &resources::kService,
                                           &resources::kSecret, &resources::kNetworkPolicy}) {
      const auto list = host.api().list(*resource, kIn, {.label_selector = "clusterName=" + name});
      ASSERT_TRUE(list);
      for (const Json& each : *base::get_array(*list, "items")) {
        EXPECT_TRUE(host.api().remove(
            *resource, {kIn, std::string(base::get_string(each, "metadata.name").value())}));
      }
    }
  }
};

// One API server for all tests of the class: it takes seconds to start.
class AddressesOnApiServer : public OnApiServer {
 protected:
  static void SetUpTestSuite() {
    if (kube::testing::ApiServer::missing_prerequisite()) {
      return;
    }
    auto host = ApiServerHost::start({});
    ASSERT_TRUE(host) << host.error().message();
    host_ = host->release();
    const Status prepared = prepare(*host_);
    ASSERT_TRUE(prepared) << prepared.error().message();
    ASSERT_TRUE(create_pool(*host_, "edge", R"(["10.1.0.0/27"])"));
  }
  static void TearDownTestSuite() {
    delete host_;
    host_ = nullptr;
  }
  void SetUp() override {
    OnApiServer::SetUp();
    if (!IsSkipped()) {
      ASSERT_NE(host_, nullptr);
    }
  }
  // Each test leaves the host without clusters and addresses.
  static void expect_nothing_left() {
    EXPECT_TRUE(host_->wait_until([] { return allocations(*host_).empty(); }))
        << allocations(*host_).size() << " addresses are left";
  }

  static ApiServerHost* host_;
};

ApiServerHost* AddressesOnApiServer::host_ = nullptr;

TEST_F(AddressesOnApiServer, SchemaRefusesWhatIsNoAddressOfOneNode) {
  for (const char* ip : {"10.1.0", "10.1.0.300", "010.1.0.7", "::ffff:10.1.0.7", "FD00::7",
                         "fd00:0:0::7", "10.1.0.7/32", ""}) {
    Json vk8s = cluster("refused", false);
    set(vk8s, "spec.nodes.0.ip", ip);
    EXPECT_THAT(refusal(*host_, vk8s),
                HasSubstr("spec.nodes[].ip must be an IP address in its canonical form"))
        << ip;
  }
  Json twice = cluster("refused", false, "10.1.0.7");
  set(twice, "spec.nodes.1.ip", "10.1.0.7");
  EXPECT_THAT(refusal(*host_, twice), HasSubstr("spec.nodes[].ip must be unique"));
  Json wrong = cluster("refused", false);
  set(wrong, "spec.network", JsonObject{{"staticIPs", "yes"}});
  EXPECT_THAT(refusal(*host_, wrong), HasSubstr("spec.network.staticIPs"));
}

TEST_F(AddressesOnApiServer, SchemaKeepsTheAddressOfANode) {
  Json vk8s = cluster("kept", true, "fd00::7");
  ASSERT_TRUE(create(*host_, vk8s));
  const auto change = [&](const std::function<void(Json&)>& edit) {
    Json object = host_->api().get(resources::kVk8s, {kIn, "kept"}).value();
    edit(object);
    const auto updated = host_->api().update(resources::kVk8s, object);
    return updated ? std::string("accepted") : updated.error().message();
  };
  const char* const immutable = "spec.nodes[].ip is immutable";
  EXPECT_THAT(change([](Json& o) { set(o, "spec.nodes.0.ip", "fd00::8"); }), HasSubstr(immutable));
  EXPECT_THAT(change([](Json& o) { set(o, "spec.nodes.1.ip", "fd00::8"); }), HasSubstr(immutable));
  EXPECT_THAT(change([](Json& o) { o.at("spec").at("nodes").at(0).as_object().erase("ip"); }),
              HasSubstr(immutable));
  // Another order is no other address, and a new node may have one.
  EXPECT_EQ(change([](Json& o) {
              JsonArray& nodes = o.at("spec").at("nodes").as_array();
              std::swap(nodes[0], nodes[1]);
              nodes.push_back(
                  JsonObject{{"name", "kept-worker-2"}, {"role", "worker"}, {"ip", "fd00::9"}});
            }),
            "accepted");
  const char* const off = "spec.network.staticIPs cannot be turned off again";
  EXPECT_THAT(change([](Json& o) { set(o, "spec.network.staticIPs", false); }), HasSubstr(off));
  EXPECT_THAT(change([](Json& o) { o.at("spec").as_object().erase("network"); }), HasSubstr(off));
  EXPECT_EQ(change([](Json& o) { set(o, "spec.network.ipPool", "edge"); }), "accepted");
  EXPECT_TRUE(host_->api().remove(resources::kVk8s, {kIn, "kept"}));

  ASSERT_TRUE(create(*host_, cluster("later", false)));
  EXPECT_TRUE(host_->api().merge_patch(
      resources::kVk8s, {kIn, "later"},
      base::parse_json(R"({"spec":{"network":{"staticIPs":true}}})").value()))
      << "it may be turned on";
  EXPECT_TRUE(host_->api().remove(resources::kVk8s, {kIn, "later"}));
}

TEST_F(AddressesOnApiServer, GivesEachNodeItsOwnAddress) {
  const RunningController controller(*host_);
  ASSERT_TRUE(create(*host_, cluster("demo", true, "10.1.0.9")));
  expect_phase(*host_, "demo", "Installing");
  EXPECT_EQ(annotation(*host_, "demo-master-1"), "10.1.0.9");
  const std::string worker = annotation(*host_, "demo-worker-1");
  const auto held = allocations(*host_);
  ASSERT_EQ(held.size(), 2U);
  for (const api::IpAllocation& each : held) {
    EXPECT_EQ(each.pool, "edge");
    EXPECT_EQ(each.owner->cluster, "demo");
    EXPECT_EQ(each.address.to_string(),
              each.owner->node == "demo-master-1" ? std::string("10.1.0.9") : worker);
  }
  EXPECT_TRUE(host_->wait_until([&] {
    return value(*host_, resources::kVk8s, "demo", "status.nodes.1.reservedIP") == worker;
  }));
  EXPECT_EQ(
      value(*host_, resources::kStatefulSet, "demo-worker-1", "spec.selector.matchLabels.vnode"),
      "demo-worker-1");

  // A node that leaves gives back its address, and no other.
  ASSERT_TRUE(host_->api().merge_patch(
      resources::kVk8s, {kIn, "demo"},
      Json(
          JsonObject{{"spec", JsonObject{{"nodes", JsonArray{JsonObject{{"name", "demo-master-1"},
                                                                        {"role", "master"},
                                                                        {"ip", "10.1.0.9"}}}}}}})));
  // Nobody answers inside, so the controller would wait with this for ever.
  EXPECT_TRUE(host_->api().remove(resources::kStatefulSet, {kIn, "demo-worker-1"}));
  EXPECT_TRUE(host_->wait_until([] { return allocations(*host_).size() == 1; }));
  EXPECT_EQ(allocations(*host_).front().address.to_string(), "10.1.0.9");
  remove_cluster(*host_, "demo");
  expect_nothing_left();
}

TEST_F(AddressesOnApiServer, FreesTheAddressesOfADeletedClusterOutOfTurn) {
  const RunningController controller(*host_, nullptr, std::chrono::minutes(10));
  ASSERT_TRUE(create(*host_, cluster("demo", true, "10.1.0.9")));
  expect_phase(*host_, "demo", "Installing");
  EXPECT_EQ(allocations(*host_).size(), 2U);
  remove_cluster(*host_, "demo");
  expect_nothing_left();
}

TEST_F(AddressesOnApiServer, TellsTheSecondWhyNotAndLetsItHaveTheAddressAfterwards) {
  const RunningController controller(*host_);
  ASSERT_TRUE(create(*host_, cluster("first", false, "10.1.0.9")));
  expect_phase(*host_, "first", "Installing");
  ASSERT_TRUE(create(*host_, cluster("second", true, "10.1.0.9")));
  expect_phase(*host_, "second", "Fail");
  EXPECT_EQ(condition(*host_, "second", "AddressUnavailable"), "True");
  const std::string message = value(*host_, resources::kVk8s, "second", "status.message");
  EXPECT_THAT(message, HasSubstr("spec.nodes[].ip 10.1.0.9 of node \"second-master-1\""));
  EXPECT_THAT(message, HasSubstr("team-a/first-master-1-0"));
  EXPECT_FALSE(host_->api().get(resources::kService, {kIn, "second"}));
  EXPECT_FALSE(host_->api().get(resources::kStatefulSet, {kIn, "second-worker-1"}));
  EXPECT_EQ(allocations(*host_).size(), 1U) << "it has taken nothing else meanwhile";

  remove_cluster(*host_, "first");
  expect_phase(*host_, "second", "Installing");
  EXPECT_EQ(annotation(*host_, "second-master-1"), "10.1.0.9");
  EXPECT_EQ(condition(*host_, "second", "AddressUnavailable"), "False");
  remove_cluster(*host_, "second");
  expect_nothing_left();
}

TEST_F(AddressesOnApiServer, GoesOnByItselfWhenAPoolGrowsOrAReservationGoes) {
  const RunningController controller(*host_);
  ASSERT_TRUE(create(*host_, cluster("waits", false, "10.7.0.9")));
  expect_phase(*host_, "waits", "Fail");
  EXPECT_THAT(value(*host_, resources::kVk8s, "waits", "status.message"), HasSubstr("10.7.0.9"));
  ASSERT_TRUE(host_->api().create(
      resources::kIPAllocation, "",
      base::parse_json(R"({"apiVersion":"vk8s.sktelecom.com/v1alpha1","kind":"IPAllocation",
          "metadata":{"name":"10.7.0.9"},"spec":{"address":"10.7.0.9","note":"the printer"}})")
          .value()));
  ASSERT_TRUE(create_pool(*host_, "late", R"(["10.7.0.0/24"])"));
  EXPECT_TRUE(host_->wait_until([&] {
    return value(*host_, resources::kVk8s, "waits", "status.message").find("the printer") !=
           std::string::npos;
  })) << value(*host_, resources::kVk8s, "waits", "status.message");
  ASSERT_TRUE(host_->api().remove(resources::kIPAllocation, {"", "10.7.0.9"}));
  expect_phase(*host_, "waits", "Installing", seconds(15));
  remove_cluster(*host_, "waits");
  expect_nothing_left();
  ASSERT_TRUE(host_->api().remove(resources::kVNodeIPPool, {"", "late"}));
}

TEST_F(AddressesOnApiServer, LosesAndDoublesNothingWhereverTheControllerDies) {
  // The first of them are the addresses themselves.
  for (int run = 0; run < 12; ++run) {
    const std::string name = fmt::format("mortal-{}", run);
    {
      MortalClient client(host_->loop_thread(), host_->client(), run / 2, run % 2 == 1);
      const RunningController controller(*host_, &client);
      ASSERT_TRUE(create(*host_, cluster(name, true)));
      EXPECT_TRUE(host_->wait_until([&] { return client.is_dead(); })) << run;
    }
    const RunningController controller(*host_);
    expect_phase(*host_, name, "Installing");
    EXPECT_TRUE(host_->wait_until([&] { return allocations(*host_).size() == 2; })) << run;
    std::set<std::string> addresses;
    for (const char* role : {"-master-1", "-worker-1"}) {
      addresses.insert(annotation(*host_, name + role));
    }
    EXPECT_EQ(addresses.size(), 2U);
    for (const api::IpAllocation& each : allocations(*host_)) {
      EXPECT_TRUE(addresses.contains(each.address.to_string())) << each.address.to_string();
    }
    remove_cluster(*host_, name);
    expect_nothing_left();
  }
}

TEST_F(OnApiServer, GoesOnWithoutTheKindsOfAddressesAndSaysWhoeverWantsOneWhatToInstall) {
  auto started = ApiServerHost::start({.address_kinds = false});
  ASSERT_TRUE(started) << started.error().message();
  ApiServerHost& host = **started;
  ASSERT_TRUE(prepare(host));
  const RunningController controller(host);
  ASSERT_TRUE(create(host, cluster("plain", false)));
  expect_phase(host, "plain", "Installing");
  ASSERT_TRUE(create(host, cluster("wants", true)));
  expect_phase(host, "wants", "Fail");
  EXPECT_THAT(value(host, resources::kVk8s, "wants", "status.message"),
              HasSubstr("does not know the kinds VNodeIPPool and IPAllocation"));
  ASSERT_TRUE(host.install_address_kinds());
  ASSERT_TRUE(create_pool(host, "edge", R"(["10.1.0.0/27"])"));
  expect_phase(host, "wants", "Installing", seconds(25));
}

// A host with Calico's kinds, as documented, and its IPAM at work.
class CalicoOnApiServer : public OnApiServer {
 protected:
  void SetUp() override {
    OnApiServer::SetUp();
    if (IsSkipped()) {
      return;
    }
    ApiServerHost::Options options;
    for (const char* kind : {"ippools", "ipreservations", "ipamconfigs", "ipamblocks"}) {
      options.more_crds.push_back(fmt::format("tests/calico/{}.yaml", kind));
    }
    auto started = ApiServerHost::start(options);
    ASSERT_TRUE(started) << started.error().message();
    host_ = *std::move(started);
    ASSERT_TRUE(prepare(*host_));
    put(calico::kIPPool, "pods", R"-({"cidr":"10.1.0.0/16","blockSize":29,"natOutgoing":true,
        "nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"vxlanMode":"Always"})-");
    put(calico::kIPAMConfig, "default", R"({"strictAffinity":true,"autoAllocateBlocks":true})");
    ASSERT_TRUE(create_pool(*host_, "edge", R"(["10.1.0.0/29","10.1.2.4-10.1.2.6"])"));
  }

  void put(const kube::Resource& resource, const std::string& name, const std::string& spec) {
    const Json object = JsonObject{{"apiVersion", resource.api_version()},
                                   {"kind", resource.kind},
                                   {"metadata", JsonObject{{"name", name}}},
                                   {"spec", base::parse_json(spec).value()}};
    kube::ApplyOptions options;
    options.field_manager = "calico";
    const auto written = host_->api().apply(resource, object, options);
    ASSERT_TRUE(written) << written.error().message();
  }
  // Calico's record of the block that holds 10.1.0.3: free, or some pod's.
  void put_block(const std::string& pod) {
    put(calico::kIPAMBlock, "10-1-0-0-29",
        pod.empty() ? R"({"cidr":"10.1.0.0/29","affinity":"host:host-1","strictAffinity":false,
                  "allocations":[null,null,null,null,null,null,null,null],
                  "unallocated":[0,1,2,3,4,5,6,7],"attributes":[]})"
                    : fmt::format(R"({{"cidr":"10.1.0.0/29","affinity":"host:host-1",
                  "strictAffinity":false,"allocations":[null,null,null,0,null,null,null,null],
                  "unallocated":[0,1,2,4,5,6,7],"attributes":[{{"handle_id":"k8s-pod-network.1",
                  "secondary":{{"namespace":"team-a","pod":"{}","node":"host-1"}}}}]}})",
                                  pod));
  }
  std::string reserved() {
    const auto object =
        host_->api().get(calico::kIPReservation, {"", std::string(calico::kReservationName)});
    const Json* list = object ? base::find(*object, "spec.reservedCIDRs") : nullptr;
    return list == nullptr ? "none" : base::to_string(*list);
  }

  std::unique_ptr<ApiServerHost> host_;
};

TEST_F(CalicoOnApiServer, AsksCalicoForTheAddressOnceItIsFree) {
  put_block("demo-master-1-0");
  const RunningController controller(*host_);
  EXPECT_TRUE(host_->wait_until([&] {
    return reserved() == R"(["10.1.0.0/29","10.1.2.4/31","10.1.2.6/32"])";
  })) << reserved();

  ASSERT_TRUE(create(*host_, cluster("demo", false, "10.1.0.3")));
  expect_phase(*host_, "demo", "Fail");
  EXPECT_THAT(value(*host_, resources::kVk8s, "demo", "status.message"),
              HasSubstr("Calico still has 10.1.0.3 with the earlier pod of this node"));
  EXPECT_FALSE(host_->api().get(resources::kStatefulSet, {kIn, "demo-master-1"}));
  put_block("stranger");
  EXPECT_TRUE(host_->wait_until([&] {
    return value(*host_, resources::kVk8s, "demo", "status.message")
               .find("with pod team-a/stranger on node host-1") != std::string::npos;
  }));

  put_block("");
  expect_phase(*host_, "demo", "Installing", seconds(20));
  EXPECT_EQ(annotation(*host_, "demo-master-1", calico::kAddressesAnnotation), R"(["10.1.0.3"])");
  EXPECT_EQ(annotation(*host_, "demo-master-1"), "10.1.0.3");
  EXPECT_EQ(annotation(*host_, "demo-worker-1", calico::kAddressesAnnotation), "");
  EXPECT_EQ(condition(*host_, "demo", "AddressesCannotMove"), "True") << "strictAffinity";

  // Its address stays the node's, so Calico may not give it to anybody.
  ASSERT_TRUE(host_->api().remove(resources::kVNodeIPPool, {"", "edge"}));
  EXPECT_TRUE(host_->wait_until([&] { return reserved() == R"(["10.1.0.3/32"])"; })) << reserved();
  ASSERT_TRUE(host_->api().remove(resources::kVk8s, {kIn, "demo"}));
  EXPECT_TRUE(host_->wait_until([&] { return reserved() == "[]"; })) << reserved();
}

TEST_F(CalicoOnApiServer, SaysThatNoPoolOfCalicoHoldsTheAddress) {
  put(calico::kIPPool, "pods", R"({"cidr":"10.1.0.0/16","disabled":true})");
  const RunningController controller(*host_);
  ASSERT_TRUE(create(*host_, cluster("demo", true)));
  expect_phase(*host_, "demo", "Fail");
  EXPECT_THAT(value(*host_, resources::kVk8s, "demo", "status.message"),
              HasSubstr("its IPPool pods is disabled"));
  put(calico::kIPPool, "pods", R"({"cidr":"10.1.0.0/16","disabled":false})");
  expect_phase(*host_, "demo", "Installing", seconds(35));
}

}  // namespace
}  // namespace vk8s::controller
