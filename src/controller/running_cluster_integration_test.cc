// What goes wrong with clusters, in the words of a real API server: before they exist,
// and while they run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/api_server_host.h"
#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
namespace resources = kube::resources;

constexpr const char* kIn = "team-a";
// The phase, the condition and the message say why.
constexpr seconds kLimit{15};

const kube::Resource kLimitRange{"", "v1", "limitranges", "LimitRange", true};

class RunningCluster : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!kube::testing::ApiServer::missing_prerequisite()) {
      auto host = ApiServerHost::start({});
      ASSERT_TRUE(host) << host.error().message();
      host_ = host->release();
      ASSERT_TRUE(host_->create_namespace(kIn));
    }
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

  static Json cluster(const std::string& name) {
    Json out = vk8s_object(name);
    out.get_object()["metadata"] = JsonObject{{"name", name}, {"namespace", kIn}};
    return out;
  }
  static void create(const Json& vk8s) {
    const auto created = host_->api().create(resources::kVk8s, kIn, vk8s);
    ASSERT_TRUE(created) << created.error().message();
  }
  static void patch(const kube::Resource& resource, const std::string& name, std::string_view json,
                    std::string_view subresource = "") {
    const auto patched = host_->api().merge_patch(resource, {resource.namespaced ? kIn : "", name},
                                                  base::parse_json(json).value(), subresource);
    ASSERT_TRUE(patched) << patched.error().message();
  }
  static bool is_there(const kube::Resource& resource, const std::string& name) {
    return host_->api().get(resource, {kIn, name}).has_value();
  }
  static api::Vk8sStatus status(const std::string& name) {
    const auto object = host_->api().get(resources::kVk8s, {kIn, name});
    const Json* found = object ? base::find(*object, "status") : nullptr;
    return found == nullptr ? api::Vk8sStatus() : api::parse_vk8s_status(*found);
  }
  static std::string condition(const std::string& name, std::string_view type) {
    const api::Vk8sStatus now = status(name);
    const api::Condition* found = api::find_condition(now.conditions, type);
    return found == nullptr ? std::string() : std::string(api::to_string(found->status));
  }
  static void wait_for_phase(const std::string& name, std::string_view phase) {
    ASSERT_TRUE(host_->wait_until([&] { return status(name).phase == phase; }, kLimit))
        << status(name).phase << ": " << status(name).message;
  }
  static void wait_for_condition(const std::string& name, std::string_view type,
                                 const std::string& value) {
    ASSERT_TRUE(host_->wait_until([&] { return condition(name, type) == value; }, kLimit))
        << type << ": " << status(name).message;
  }

  // What StatefulSet controller and kubelet would do.
  static void start_pod(const std::string& node) {
    patch(resources::kStatefulSet, node, R"({"status":{"updateRevision":"r1","replicas":1,
        "observedGeneration":1}})",
          "status");
    const Json set_object = host_->api().get(resources::kStatefulSet, {kIn, node}).value();
    patch(resources::kStatefulSet, node,
          fmt::format(R"({{"status":{{"observedGeneration":{}}}}})",
                      *base::get_int(set_object, "metadata.generation")),
          "status");
    Json pod = *base::find(set_object, "spec.template");
    set(pod, "apiVersion", "v1");
    set(pod, "kind", "Pod");
    set(pod, "metadata.name", Json(node + "-0"));
    set(pod, "metadata.labels.controller-revision-hash", "r1");
    set(pod, "spec.nodeName", "host-1");
    pod.get_object()["spec"].get_object()["volumes"].get_array().push_back(
        JsonObject{{"name", "data"}, {"emptyDir", JsonObject()}});
    const auto created = host_->api().create(resources::kPod, kIn, pod);
    ASSERT_TRUE(created) << created.error().message();
    patch(resources::kPod, node + "-0",
          R"({"status":{"conditions":[{"type":"Ready","status":"True"}],
        "containerStatuses":[{"name":"vnode","image":"x","imageID":"x","ready":true,
        "restartCount":0,"state":{"running":{}}}]}})",
          "status");
  }
  static void end_pod(const std::string& node) {
    kube::DeleteOptions at_once;
    at_once.grace_period = seconds(0);
    ASSERT_TRUE(host_->api().remove(resources::kPod, {kIn, node + "-0"}, at_once));
  }
  static void run(const std::string& name) {
    create(cluster(name));
    wait_for_phase(name, "Installing");
    for (const char* node : {"-master-1", "-worker-1"}) {
      start_pod(name + node);
    }
    wait_for_phase(name, "Running");
  }
  static void enforce_pod_security(const char* level) {
    patch(resources::kNamespace, kIn,
          fmt::format(R"({{"metadata":{{"labels":{{"pod-security.kubernetes.io/enforce":{}}}}}}})",
                      level));
  }

  static ApiServerHost* host_;
};

ApiServerHost* RunningCluster::host_ = nullptr;

TEST_F(RunningCluster, RunsOnWithAVersionThatItCannotHave) {
  const RunningController controller(*host_);
  run("bad-edit");
  EXPECT_EQ(status("bad-edit").version, "1.37.2");
  patch(resources::kVk8s, "bad-edit", R"({"spec":{"kubernetes":{"version":"1.36"}}})");
  wait_for_condition("bad-edit", "UnsupportedVersion", "True");
  EXPECT_EQ(status("bad-edit").phase, "Running");
  EXPECT_EQ(status("bad-edit").ready_nodes, "2/2");
  EXPECT_THAT(status("bad-edit").message, HasSubstr("the cluster runs 1.37.2"));
  patch(resources::kVk8s, "bad-edit", R"({"spec":{"paused":true}})");
  wait_for_phase("bad-edit", "Paused");
  ASSERT_TRUE(host_->wait_until([] {
    const auto set = host_->api().get(resources::kStatefulSet, {kIn, "bad-edit-master-1"});
    return set && base::get_int(*set, "spec.replicas") == 0;
  }));
  patch(resources::kVk8s, "bad-edit",
        R"({"spec":{"paused":false,"kubernetes":{"version":"1.37"}}})");
  wait_for_phase("bad-edit", "Running");
  wait_for_condition("bad-edit", "UnsupportedVersion", "False");
}

TEST_F(RunningCluster, BeginsNoneWhoseVolumeTheHostRefuses) {
  const auto limits =
      host_->api().create(kLimitRange, kIn,
                          base::parse_json(R"({"apiVersion":"v1","kind":"LimitRange",
          "metadata":{"name":"small"},"spec":{"limits":[{"type":"PersistentVolumeClaim",
          "max":{"storage":"10Gi"}}]}})")
                              .value());
  ASSERT_TRUE(limits) << limits.error().message();
  const RunningController controller(*host_);
  create(cluster("big-volume"));
  wait_for_phase("big-volume", "Fail");
  EXPECT_EQ(condition("big-volume", "VolumeRefused"), "True");
  EXPECT_THAT(status("big-volume").message,
              HasSubstr("maximum storage usage per PersistentVolumeClaim is 10Gi, but request is"));
  EXPECT_FALSE(is_there(resources::kService, "big-volume"));
  ASSERT_TRUE(host_->api().remove(kLimitRange, {kIn, "small"}));
  wait_for_phase("big-volume", "Installing");
}

TEST_F(RunningCluster, BeginsNoneWhoseNodePortIsTakenAndRunsOnWithoutIt) {
  const auto taken = host_->api().create(resources::kService, kIn,
                                         base::parse_json(R"({"apiVersion":"v1","kind":"Service",
          "metadata":{"name":"theirs"},"spec":{"type":"NodePort",
          "ports":[{"port":80,"nodePort":30071}]}})")
                                             .value());
  ASSERT_TRUE(taken) << taken.error().message();
  const RunningController controller(*host_);
  Json vk8s = cluster("port");
  set(vk8s, "spec.ports", JsonArray{JsonObject{{"port", 80}, {"nodePort", 30071}}});
  create(vk8s);
  wait_for_phase("port", "Fail");
  EXPECT_THAT(status("port").message, HasSubstr("provided port is already allocated"));
  for (const char* service : {"port", "port-peers", "port-ports"}) {
    EXPECT_FALSE(is_there(resources::kService, service)) << service;
  }
  // Another comes to be without it, and then asks for it.
  run("late-port");
  patch(resources::kVk8s, "late-port", R"({"spec":{"ports":[{"port":80,"nodePort":30071}],
      "nodes":[{"name":"late-port-master-1","role":"master",
                "resources":{"limits":{"cpu":"2","memory":"4Gi"}}},
               {"name":"late-port-worker-1","role":"worker","storage":{"size":"20Gi"}},
               {"name":"late-port-worker-2","role":"worker"}]}})");
  wait_for_condition("late-port", "PortsNotOpen", "True");
  EXPECT_TRUE(host_->wait_until(
      [] { return is_there(resources::kStatefulSet, "late-port-worker-2"); }, kLimit));
  ASSERT_TRUE(host_->api().remove(resources::kService, {kIn, "theirs"}));
  // Whoever is first has it; the other is told.
  ASSERT_TRUE(host_->wait_until(
      [] {
        return is_there(resources::kService, "late-port-ports") ||
               is_there(resources::kService, "port-ports");
      },
      seconds(40)));
}

TEST_F(RunningCluster, TellsWhyAPodDoesNotComeBackAndThatItMayAgain) {
  const RunningController controller(*host_);
  run("refused-later");
  enforce_pod_security(R"("baseline")");
  end_pod("refused-later-master-1");
  wait_for_condition("refused-later", "PodRefused", "True");
  EXPECT_EQ(status("refused-later").phase, "Fail");
  EXPECT_THAT(status("refused-later").message,
              HasSubstr("pods \"refused-later-master-1-0\" is forbidden: violates PodSecurity "
                        "\"baseline:latest\": privileged"));
  enforce_pod_security("null");
  wait_for_condition("refused-later", "PodRefused", "False");
  start_pod("refused-later-master-1");
  wait_for_phase("refused-later", "Running");
}

TEST_F(RunningCluster, MakesNoNewAuthorityWhereTheOldOneIsGone) {
  Json pki;
  {
    const RunningController controller(*host_);
    run("no-pki");
    pki = host_->api().get(resources::kSecret, {kIn, "no-pki-pki"}).value();
    ASSERT_TRUE(host_->api().remove(resources::kSecret, {kIn, "no-pki-pki"}));
  }
  const RunningController next(*host_);
  wait_for_condition("no-pki", "CertificateAuthorityLost", "True");
  EXPECT_EQ(status("no-pki").phase, "Running");
  EXPECT_FALSE(is_there(resources::kSecret, "no-pki-pki"));
  JsonObject metadata = pki.at("metadata").get_object();
  for (const char* of_the_server :
       {"uid", "resourceVersion", "creationTimestamp", "managedFields"}) {
    metadata.erase(of_the_server);
  }
  pki.get_object()["metadata"] = std::move(metadata);
  ASSERT_TRUE(host_->api().create(resources::kSecret, kIn, pki));
  ASSERT_TRUE(host_->wait_until(
      [] { return condition("no-pki", "CertificateAuthorityLost") == "False"; }, seconds(45)));
}

}  // namespace
}  // namespace vk8s::controller
