// On a real API server: what it accepts and refuses of a Vk8s, and that a Vk8s
// leads to all its objects.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/controller_manager.h"
#include "controller/manifests.h"
#include "controller/node_metadata.h"
#include "controller/test_cluster.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
namespace resources = kube::resources;

constexpr std::string_view kNamespace = "team-a";

// One API server for all tests: it takes seconds to start.
class Host {
 public:
  static Result<std::unique_ptr<Host>> start() {
    auto host = std::make_unique<Host>();
    host->server_ = VK8S_TRY(
        kube::testing::ApiServer::start({.api_server_flags = {"--allow-privileged=true"}}));
    kube::ClientConfig config = VK8S_TRY(host->server_->user(
        fmt::format("system:serviceaccount:{}:{}", kSystemNamespace, kControllerName),
        {"system:serviceaccounts"}));
    config.user_agent = kFieldManager;
    host->client_ = VK8S_TRY(host->loop_.run(
        [&] { return kube::Client::create(host->loop_.loop(), config, Log::silent()); }));
    host->admin_ = VK8S_TRY(host->loop_.run([&] {
      return kube::Client::create(host->loop_.loop(), host->server_->admin(), Log::silent());
    }));
    host->agents_client_ = VK8S_TRY(host->loop_.run(
        [&] { return http::Client::create(host->loop_.loop(), {}, Log::silent()); }));
    VK8S_TRY(host->install());
    return host;
  }
  ~Host() {
    loop_.run([this] {
      client_.reset();
      admin_.reset();
      agents_client_.reset();
    });
  }

  kube::testing::LoopThread& loop_thread() { return loop_; }
  kube::Client& client() { return *client_; }
  http::Client& agents_client() { return *agents_client_; }
  kube::BlockingClient& api() { return api_.value(); }

 private:
  Status install() {
    api_.emplace(loop_.loop(), *admin_, seconds(30));
    VK8S_TRY(api_->create(resources::kCustomResourceDefinition, "", crd_manifest()));
    for (const std::string_view name : {std::string_view("team-a"), kSystemNamespace}) {
      VK8S_TRY(api_->create(resources::kNamespace, "",
                            Json(JsonObject{{"apiVersion", "v1"},
                                            {"kind", "Namespace"},
                                            {"metadata", JsonObject{{"name", Json(name)}}}})));
    }
    // No controller manager runs here that would make it.
    VK8S_TRY(api_->create(resources::kServiceAccount, kNamespace,
                          Json(JsonObject{{"apiVersion", "v1"},
                                          {"kind", "ServiceAccount"},
                                          {"metadata", JsonObject{{"name", "default"}}}})));
    VK8S_TRY(grant());
    return wait_for_crd() ? Status() : fail(Errc::kTimeout, "the CRD is not served after 30 s");
  }

  // The controller acts as its ServiceAccount: each of these tests shows as well that
  // its rights suffice.
  Status grant() {
    for (const Json& manifest : rbac_manifests()) {
      for (const kube::Resource* resource :
           {&resources::kClusterRole, &resources::kClusterRoleBinding, &resources::kRole,
            &resources::kRoleBinding}) {
        if (base::get_string(manifest, "kind") == resource->kind) {
          VK8S_TRY(api_->create(*resource, resource->namespaced ? kSystemNamespace : "", manifest));
        }
      }
    }
    return {};
  }

  bool wait_for_crd() {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (api_->list(resources::kVk8s, kNamespace)) {
        return true;
      }
      loop_.tick(std::chrono::milliseconds(20));
    }
    return false;
  }

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> client_;  // the controller's
  std::unique_ptr<kube::Client> admin_;
  std::unique_ptr<http::Client> agents_client_;
  std::optional<kube::BlockingClient> api_;
};

class ControllerOnApiServer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (kube::testing::ApiServer::missing_prerequisite()) {
      return;
    }
    auto host = Host::start();
    ASSERT_TRUE(host) << host.error().message();
    host_ = host->release();
  }
  static void TearDownTestSuite() {
    delete host_;
    host_ = nullptr;
  }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_NE(host_, nullptr);
  }

  void TearDown() override {
    if (manager_) {
      stop_manager();
    }
  }

  static Result<Json> create(Json vk8s) {
    vk8s.get_object()["metadata"] =
        JsonObject{{"name", *base::find(vk8s, "metadata.name")}, {"namespace", Json(kNamespace)}};
    return host_->api().create(resources::kVk8s, kNamespace, vk8s);
  }

  static std::string refusal(const Json& vk8s) {
    const auto created = create(vk8s);
    return created ? std::string("accepted") : created.error().message();
  }

  void start_manager() {
    host_->loop_thread().run([this] {
      manager_ = std::make_unique<ControllerManager>(host_->loop_thread().loop(), host_->client(),
                                                     host_->agents_client(), ManagerOptions(),
                                                     Log::silent());
      manager_->start([] {});
    });
  }

  void stop_manager() {
    std::promise<void> stopped;
    host_->loop_thread().run([&] { manager_->stop([&stopped] { stopped.set_value(); }); });
    stopped.get_future().wait();
    host_->loop_thread().run([this] { manager_.reset(); });
  }

  // Asks the server until the object satisfies.
  template <class Condition>
  Json wait_for(const kube::Resource& resource, const std::string& name, Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    Json last;
    while (std::chrono::steady_clock::now() < deadline) {
      if (auto object = host_->api().get(resource, {std::string(kNamespace), name})) {
        last = std::move(*object);
        if (condition(last)) {
          return last;
        }
      }
      host_->loop_thread().tick(std::chrono::milliseconds(20));
    }
    const Json* shown = base::find(last, "status");
    ADD_FAILURE() << resource.kind << " " << name
                  << " is not as waited for: " << base::to_string(shown == nullptr ? last : *shown);
    return last;
  }

  Json wait_for_phase(const std::string& name, std::string_view phase) {
    return wait_for(resources::kVk8s, name, [&](const Json& object) {
      return base::get_string(object, "status.phase") == phase;
    });
  }

  static Host* host_;
  std::unique_ptr<ControllerManager> manager_;
};

Host* ControllerOnApiServer::host_ = nullptr;

Json with(std::string_view path, Json value) {
  Json out = vk8s_object("refused");
  set(out, path, std::move(value));
  return out;
}

TEST_F(ControllerOnApiServer, SchemaRefusesWhatCannotWorkAndNamesTheField) {
  EXPECT_THAT(refusal(with("spec.nodes.0.role", "worker")),
              HasSubstr("spec.nodes must have one node of role master"));
  EXPECT_THAT(refusal(with("spec.nodes.1.role", "master")),
              HasSubstr("spec.nodes must have no more than one node of role master"));
  EXPECT_THAT(refusal(with("spec.nodes.1.name", "refused-master-1")),
              HasSubstr("spec.nodes[1]: Duplicate value"));
  EXPECT_THAT(refusal(with("spec.kubernetes.podNetworkCidr", "10.0.0.0/33")),
              HasSubstr("spec.kubernetes.podNetworkCidr must be an IPv4 network"));
  EXPECT_THAT(refusal(with("spec.kubernetes.podNetworkCidr", "10.0.0.1/16")),
              HasSubstr("must not have bits set beyond its prefix"));
  EXPECT_THAT(refusal(with("spec.kubernetes.podNetworkCidr", "10.0.0.0/28")),
              HasSubstr("must have a prefix length of 8 to 22"));
  EXPECT_THAT(refusal(with("spec.kubernetes.serviceCidr", "100.72.128.0/20")),
              HasSubstr("spec.kubernetes.serviceCidr must not overlap"));
  EXPECT_THAT(refusal(with("spec.kubernetes.version", "latest")),
              HasSubstr("spec.kubernetes.version"));
  EXPECT_THAT(refusal(with("metadata.name", "1st")), HasSubstr("metadata.name must begin"));
  EXPECT_THAT(refusal(with("metadata.name", Json(std::string(51, 'a')))),
              HasSubstr("at most 50 letters, digits and '-': Services are named after it"));
  EXPECT_THAT(refusal(with("spec.nodes.0.name", "UPPER")), HasSubstr("spec.nodes[0].name"));
  EXPECT_THAT(refusal(with("spec.network", JsonObject{{"upstreamDNS", JsonArray{"dns"}}})),
              HasSubstr("spec.network.upstreamDNS[] must be an IP address"));
  EXPECT_THAT(refusal(with("spec.nodes.1.labels", JsonObject{{api::kVolumesLabel, "true"}})),
              HasSubstr("spec.nodes[].labels must not have vk8s.sktelecom.com/volumes"));
}

TEST_F(ControllerOnApiServer, SchemaRefusesQuantitiesThatAreNotMoreThanNothing) {
  const auto refusal_of = [](const char* list, const char* resource, Json quantity) {
    return refusal(with(fmt::format("spec.nodes.0.resources.{}", list),
                        JsonObject{{resource, std::move(quantity)}}));
  };
  for (const char* list : {"limits", "requests"}) {
    const std::string at = fmt::format("spec.nodes[0].resources.{}.cpu", list);
    for (const Json& none : {Json(0), Json(-1), Json("0"), Json("-1"), Json("0.00"), Json("0m"),
                             Json("0e3"), Json("-500m"), Json("1e99")}) {
      EXPECT_THAT(refusal_of(list, "cpu", none), HasSubstr(at)) << base::to_string(none);
    }
    EXPECT_THAT(refusal_of(list, "memory", "0Gi"),
                HasSubstr(fmt::format("spec.nodes[0].resources.{}.memory", list)));
    EXPECT_THAT(refusal_of(list, "nvidia.com/gpu", 0),
                HasSubstr(fmt::format("spec.nodes[0].resources.{}.nvidia.com/gpu", list)));
  }
  for (const Json& none : {Json(0), Json(-1), Json("0"), Json("0Gi")}) {
    EXPECT_THAT(refusal(with("spec.nodes.1.storage.size", none)),
                HasSubstr("spec.nodes[1].storage.size"))
        << base::to_string(none);
  }
  for (const Json& much : {Json("8Pi"), Json("10P"), Json("7E"), Json("1e18"), Json(1LL << 53)}) {
    EXPECT_THAT(refusal(with("spec.nodes.1.storage.size", much)), HasSubstr("less than 8Pi"))
        << base::to_string(much);
    EXPECT_THAT(refusal_of("limits", "memory", much), HasSubstr("less than 8Pi"));
  }
  int count = 0;
  for (const Json& some : {Json(1), Json("1"), Json("0.5"), Json("100m"), Json("0.05"), Json("10"),
                           Json("1e3"), Json("2E-1"), Json("00.10"), Json("8191Ti")}) {
    Json vk8s = vk8s_object(fmt::format("some-{}", ++count));
    set(vk8s, "spec.nodes.0.resources.limits.cpu", some);
    EXPECT_EQ(refusal(vk8s), "accepted") << base::to_string(some);
    EXPECT_TRUE(host_->api().remove(resources::kVk8s,
                                    {std::string(kNamespace), fmt::format("some-{}", count)}));
  }
}

TEST_F(ControllerOnApiServer, SchemaRefusesPortsThatContradictThemselves) {
  const auto ports = [](std::string_view json) {
    return refusal(with("spec.ports", base::parse_json(json).value()));
  };
  EXPECT_THAT(ports(R"([{"port":80,"name":"a"},{"port":81,"name":"a"}])"),
              HasSubstr("spec.ports[].name must be unique"));
  EXPECT_THAT(ports(R"([{"port":80,"targetPort":1,"service":"a/b"}])"),
              HasSubstr("set targetPort or service, not both"));
  EXPECT_THAT(ports(R"([{"port":80},{"port":80}])"), HasSubstr("Duplicate value"));
  EXPECT_THAT(ports(R"([{"port":0}])"), HasSubstr("spec.ports[0].port"));
}

TEST_F(ControllerOnApiServer, SchemaKeepsWhatIsImmutable) {
  ASSERT_TRUE(create(vk8s_object("immutable")));
  const kube::ObjectKey key{std::string(kNamespace), "immutable"};
  const auto change = [&](std::string_view path, Json value) {
    Json object = host_->api().get(resources::kVk8s, key).value();
    set(object, path, std::move(value));
    const auto updated = host_->api().update(resources::kVk8s, object);
    return updated ? std::string("accepted") : updated.error().message();
  };
  EXPECT_THAT(change("spec.kubernetes.podNetworkCidr", "10.0.0.0/16"),
              HasSubstr("spec.kubernetes.podNetworkCidr is immutable"));
  EXPECT_THAT(change("spec.kubernetes.serviceCidr", "10.1.0.0/16"),
              HasSubstr("spec.kubernetes.serviceCidr is immutable"));
  EXPECT_THAT(change("spec.nodes.1.storage.size", "30Gi"),
              HasSubstr("spec.nodes[].storage is immutable"));
  EXPECT_EQ(change("spec.nodes.1.labels", JsonObject{{"a", "b"}}), "accepted");
  EXPECT_EQ(change("spec.paused", true), "accepted");
  EXPECT_TRUE(host_->api().remove(resources::kVk8s, key));
}

TEST_F(ControllerOnApiServer, SchemaTakesAManifestOfTheOlderOperator) {
  const Json old = base::parse_json(R"({"apiVersion":"vk8s.sktelecom.com/v1alpha1","kind":"Vk8s",
      "metadata":{"name":"older","annotations":{"older-worker-1":"v100"}},
      "spec":{"accessPodImage":"shell","accessPodPort":22,
        "ports":[{"name":"https","protocol":"TCP","port":31443,"targetPort":31443}],
        "nodes":[{"name":"older-master-1","role":"master","image":"vk8s/vnode:v1.37.2",
                  "resources":{"limits":{"cpu":4,"memory":"8Gi"}},
                  "tolerations":[{"key":"k","effect":"NoSchedule"}]},
                 {"name":"older-worker-1","role":"worker","image":"vk8s/vnode:v1.37.2",
                  "unknown":"pruned"}],
        "kubeflow":{"version":"1.2","email":"a@b.c","password":"p"},
        "kubernetes":{"podNetworkCidr":"10.244.0.0/16","serviceCidr":"10.100.0.0/16"}}})")
                       .value();
  EXPECT_EQ(refusal(old), "accepted");
  EXPECT_TRUE(host_->api().remove(resources::kVk8s, {std::string(kNamespace), "older"}));
}

TEST_F(ControllerOnApiServer, MakesEveryObjectOfACluster) {
  start_manager();
  ASSERT_TRUE(create(vk8s_object("whole")));
  const Json vk8s = wait_for_phase("whole", "Installing");
  EXPECT_EQ(base::get_string(vk8s, "status.version"), "") << "nothing runs yet";
  EXPECT_EQ(base::get_string(vk8s, "status.readyNodes"), "0/2");
  EXPECT_EQ(base::get_string(vk8s, "status.kubeconfigSecret"), "whole-kubeconfig");
  const std::string uid(base::get_string(vk8s, "metadata.uid").value());
  const std::vector<std::pair<const kube::Resource*, std::string>> owned = {
      {&resources::kService, "whole"},
      {&resources::kService, "whole-peers"},
      {&resources::kNetworkPolicy, "whole"},
      {&resources::kSecret, "whole-pki"},
      {&resources::kSecret, "whole-agent-ca"},
      {&resources::kSecret, "whole-kubeconfig"},
      {&resources::kSecret, "whole-master-1-config"},
      {&resources::kSecret, "whole-worker-1-config"},
      {&resources::kStatefulSet, "whole-master-1"},
      {&resources::kStatefulSet, "whole-worker-1"}};
  for (const auto& [resource, name] : owned) {
    const auto object = host_->api().get(*resource, {std::string(kNamespace), name});
    ASSERT_TRUE(object) << object.error().message();
    EXPECT_TRUE(is_owned_by(*object, uid)) << name;
  }
}

TEST_F(ControllerOnApiServer, TellsWhyTheHostRefusesThePods) {
  const auto enforce = [](Json level) {
    JsonObject labels;
    labels["pod-security.kubernetes.io/enforce"] = std::move(level);
    JsonObject patch;
    patch["metadata"] = JsonObject{{"labels", std::move(labels)}};
    return host_->api().merge_patch(resources::kNamespace, {"", std::string(kNamespace)}, patch);
  };
  ASSERT_TRUE(enforce("baseline"));
  start_manager();
  ASSERT_TRUE(create(vk8s_object("refused")));
  const Json vk8s = wait_for_phase("refused", "Fail");
  EXPECT_THAT(std::string(base::get_string(vk8s, "status.message").value()),
              HasSubstr("violates PodSecurity \"baseline:latest\": privileged"));
  EXPECT_FALSE(host_->api().get(resources::kService, {std::string(kNamespace), "refused"}));
  ASSERT_TRUE(enforce(nullptr));
}

// Node ports are allocated before the server sees that the Service is there: of a
// cluster that is half begun, its own port would be taken.
TEST_F(ControllerOnApiServer, GoesOnWithAHalfBegunClusterThatHasItsPort) {
  const kube::ObjectKey in_the_way{std::string(kNamespace), "half-master-1"};
  ASSERT_TRUE(host_->api().create(resources::kStatefulSet, kNamespace,
                                  base::parse_json(R"({"apiVersion":"apps/v1",
      "kind":"StatefulSet","metadata":{"name":"half-master-1"},"spec":{"serviceName":"x",
      "selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
      "spec":{"containers":[{"name":"c","image":"c"}]}}}})")
                                      .value()));
  start_manager();
  Json vk8s = vk8s_object("half");
  set(vk8s, "spec.ports", JsonArray{JsonObject{{"port", 80}, {"nodePort", 30077}}});
  ASSERT_TRUE(create(vk8s));
  wait_for_phase("half", "Fail");
  ASSERT_TRUE(host_->api().get(resources::kService, {std::string(kNamespace), "half-ports"}));
  ASSERT_TRUE(host_->api().remove(resources::kStatefulSet, in_the_way));
  ASSERT_TRUE(
      host_->api().merge_patch(resources::kVk8s, {std::string(kNamespace), "half"},
                               base::parse_json(R"({"metadata":{"labels":{"a":"b"}}})").value()));
  wait_for_phase("half", "Installing");
  EXPECT_TRUE(host_->api().get(resources::kStatefulSet, in_the_way));
}

// As left by a cluster whose volumes were kept, in a namespace with room for just these.
TEST_F(ControllerOnApiServer, TakesVolumesThatAreThereThoughTheQuotaIsFull) {
  const kube::Resource quotas{"", "v1", "resourcequotas", "ResourceQuota"};
  const auto claim = [](const char* name) {
    Json out = base::parse_json(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{},
        "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}})")
                   .value();
    set(out, "metadata.name", name);
    return out;
  };
  for (const char* name : {"data-kept-master-1-0", "data-kept-worker-1-0"}) {
    ASSERT_TRUE(host_->api().create(resources::kPersistentVolumeClaim, kNamespace, claim(name)));
  }
  const kube::ObjectKey quota{std::string(kNamespace), "full"};
  const Json limits = base::parse_json(R"({"persistentvolumeclaims":"2"})").value();
  ASSERT_TRUE(host_->api().create(quotas, kNamespace,
                                  JsonObject{{"apiVersion", "v1"},
                                             {"kind", "ResourceQuota"},
                                             {"metadata", JsonObject{{"name", "full"}}},
                                             {"spec", JsonObject{{"hard", limits}}}}));
  // No controller manager runs here that would count.
  ASSERT_TRUE(host_->api().merge_patch(
      quotas, quota, JsonObject{{"status", JsonObject{{"hard", limits}, {"used", limits}}}},
      "status"));
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  const auto is_full = [&] {
    const auto tried = host_->api().create(resources::kPersistentVolumeClaim, kNamespace,
                                           claim("data-kept-master-1-0"), true);
    return !tried && tried.error().code() == Errc::kForbidden;
  };
  while (!is_full() && std::chrono::steady_clock::now() < deadline) {
    host_->loop_thread().tick(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(is_full());
  start_manager();
  EXPECT_TRUE(create(vk8s_object("kept")));
  wait_for_phase("kept", "Installing");
  EXPECT_TRUE(host_->api().remove(quotas, quota));
}

TEST_F(ControllerOnApiServer, SaysWhoHoldsAName) {
  ASSERT_TRUE(host_->api().create(
      resources::kSecret, kNamespace,
      base::parse_json(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"taken-pki"}})")
          .value()));
  start_manager();
  ASSERT_TRUE(create(vk8s_object("taken")));
  const Json vk8s = wait_for_phase("taken", "Fail");
  EXPECT_THAT(std::string(base::get_string(vk8s, "status.message").value()),
              HasSubstr("Secret team-a/taken-pki exists already"));
}

TEST_F(ControllerOnApiServer, GivesTheLaterOfTwoClustersTheNodeNameConflict) {
  start_manager();
  ASSERT_TRUE(create(vk8s_object("first")));
  wait_for_phase("first", "Installing");
  Json second = vk8s_object("second");
  set(second, "spec.nodes.0.name", "first-master-1");
  ASSERT_TRUE(create(second));
  const Json refused = wait_for_phase("second", "Fail");
  EXPECT_THAT(std::string(base::get_string(refused, "status.message").value()),
              HasSubstr("Vk8s team-a/first"));
  EXPECT_FALSE(host_->api().get(resources::kService, {std::string(kNamespace), "second"}));
  // The first goes, and with it what it had: the second may come.
  ASSERT_TRUE(host_->api().remove(resources::kVk8s, {std::string(kNamespace), "first"}));
  for (const char* node : {"first-master-1", "first-worker-1"}) {
    ASSERT_TRUE(host_->api().remove(resources::kStatefulSet, {std::string(kNamespace), node}));
  }
  wait_for(resources::kService, "second", [](const Json&) { return true; });
}

TEST_F(ControllerOnApiServer, RemovesFieldsThatAreNoLongerAskedFor) {
  start_manager();
  Json vk8s = vk8s_object("ports");
  set(vk8s, "spec.ports", base::parse_json(R"([{"port":80},{"port":81}])").value());
  ASSERT_TRUE(create(vk8s));
  wait_for(resources::kService, "ports-ports", [](const Json&) { return true; });
  const kube::ObjectKey key{std::string(kNamespace), "ports"};
  ASSERT_TRUE(host_->api().merge_patch(
      resources::kVk8s, key, base::parse_json(R"({"spec":{"ports":[{"port":81}]}})").value()));
  wait_for(resources::kService, "ports-ports", [](const Json& service) {
    return base::get_array(service, "spec.ports")->size() == 1 &&
           base::get_int(service, "spec.ports.0.port") == 81;
  });
}

// A virtual cluster's server takes the patches of labels and taints as this one does.
TEST_F(ControllerOnApiServer, PatchesANodeAndLosesNoTaintOfOthers) {
  const kube::ObjectKey key{"", "inner-worker"};
  const auto patch = [&](const std::string& json) {
    return host_->api().merge_patch(resources::kNode, key, base::parse_json(json).value());
  };
  const auto keep = [&](const api::NodeSpec& wanted, const Json& node) {
    return host_->api().merge_patch(resources::kNode, key,
                                    node_metadata_patch(wanted, node).value());
  };
  const auto look = [&] { return host_->api().get(resources::kNode, key).value(); };
  ASSERT_TRUE(host_->api().create(resources::kNode, "",
                                  base::parse_json(R"({"apiVersion":"v1","kind":"Node","metadata":{
          "name":"inner-worker","labels":{"theirs":"x"}}})")
                                      .value()));
  api::NodeSpec wanted;
  wanted.labels = {{"zone", "a"}, {"node-role.kubernetes.io/gpu", ""}};
  wanted.taints = {{"gpu", "", "NoSchedule"}};

  const Json stale = look();
  ASSERT_TRUE(patch(R"({"spec":{"taints":[{"key":"theirs","effect":"NoExecute"}]}})"));
  const auto refused = keep(wanted, stale);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kConflict) << refused.error().message();

  const auto kept = keep(wanted, look());
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(base::get_string(*kept, "spec.taints.0.key"), "theirs");
  EXPECT_EQ(base::get_string(*kept, "spec.taints.1.key"), "gpu");
  EXPECT_EQ(base::get_string(*kept, "metadata.labels.zone"), "a");
  EXPECT_EQ(node_metadata_patch(wanted, look()), std::nullopt) << "the server keeps it as it is";

  ASSERT_TRUE(patch(R"({"spec":{"taints":[{"key":"gpu","effect":"NoSchedule"}]}})"));
  const auto cleared = keep({}, look());
  ASSERT_TRUE(cleared) << cleared.error().message();
  EXPECT_EQ(base::find(*cleared, "spec.taints"), nullptr);
  EXPECT_EQ(base::to_string(*base::find(*cleared, "metadata.labels")), R"({"theirs":"x"})");
  EXPECT_EQ(base::find(*cleared, "metadata.annotations"), nullptr);
}

TEST_F(ControllerOnApiServer, BecomesRunningWithItsPods) {
  start_manager();
  ASSERT_TRUE(create(vk8s_object("runs")));
  wait_for_phase("runs", "Installing");
  // What StatefulSet controller and kubelet would do.
  for (const char* node : {"runs-master-1", "runs-worker-1"}) {
    const Json stateful_set =
        host_->api().get(resources::kStatefulSet, {std::string(kNamespace), node}).value();
    Json pod = *base::find(stateful_set, "spec.template");
    set(pod, "apiVersion", "v1");
    set(pod, "kind", "Pod");
    set(pod, "metadata.name", Json(std::string(node) + "-0"));
    set(pod, "spec.nodeName", "host-1");
    JsonArray& volumes = pod.get_object()["spec"].get_object()["volumes"].get_array();
    volumes.push_back(JsonObject{{"name", "data"}, {"emptyDir", JsonObject()}});
    ASSERT_TRUE(host_->api().create(resources::kPod, kNamespace, pod));
    ASSERT_TRUE(host_->api().merge_patch(
        resources::kPod, {std::string(kNamespace), std::string(node) + "-0"},
        base::parse_json(R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})").value(),
        "status"));
  }
  const Json vk8s = wait_for_phase("runs", "Running");
  EXPECT_EQ(base::get_string(vk8s, "status.readyNodes"), "2/2");
}

}  // namespace
}  // namespace vk8s::controller
