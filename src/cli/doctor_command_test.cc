#include "cli/cluster_checks.h"
#include "cli/host_checks.h"
#include "cli/test_fixture.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kVersion = R"({"major":"1","minor":"37","gitVersion":"v1.37.2"})";
constexpr const char* kResources = R"({"resources":[{"name":"vk8s"}]})";

class DoctorTest : public CliTest {
 protected:
  // A host on which everything is as it should be.
  DoctorTest() {
    host_.set_raw([this](const kube::RawRequest& request) -> std::optional<kube::RawResponse> {
      if (request.path == "/version") {
        return kube::RawResponse{200, version_};
      }
      if (request.path == "/apis/vk8s.sktelecom.com/v1alpha1") {
        return kube::RawResponse{200, kResources};
      }
      return std::nullopt;
    });
    host_.put(kube::resources::kDeployment,
              {{"metadata", {{"namespace", "vk8s-system"}, {"name", "vk8s-controller-manager"}}},
               {"spec", {{"replicas", 1}}},
               {"status", {{"availableReplicas", 1}}}});
    host_.put(
        kube::resources::kStorageClass,
        {{"metadata",
          {{"name", "fast"},
           {"annotations", JsonObject{{"storageclass.kubernetes.io/is-default-class", "true"}}}}}});
    host_.put(kube::resources::kNamespace, {{"metadata", {{"name", "research"}}}});
    put_node("host-1", "True");
  }

  void put_node(const std::string& name, const std::string& ready, const std::string& boot = "b") {
    host_.put(
        kube::resources::kNode,
        JsonObject{
            {"metadata", JsonObject{{"name", name}}},
            {"status",
             JsonObject{{"conditions", JsonArray{JsonObject{{"type", "Ready"}, {"status", ready}}}},
                        {"nodeInfo", JsonObject{{"bootID", boot}}}}}});
  }

  std::string version_ = kVersion;
};

TEST_F(DoctorTest, FindsNothingOnAHostThatIsReady) {
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("OK    host API server"));
  EXPECT_THAT(outcome.out, HasSubstr("OK    Vk8s resource"));
  EXPECT_THAT(outcome.out, HasSubstr("OK    controller"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("WARN")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("->")));
}

TEST_F(DoctorTest, SaysWhatToDoWhereNothingAnswers) {
  host_.set_raw(nullptr);
  const Outcome outcome = run({"doctor", "team-a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  host API server"));
  EXPECT_THAT(outcome.out, HasSubstr("-> check that the host runs"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("cluster team-a")));
  around_.variables.erase("KUBECONFIG");
  const Outcome none = run({"doctor"});
  EXPECT_EQ(none.code, kExitFailed);
  EXPECT_THAT(none.out, HasSubstr("FAIL  host cluster"));
}

TEST_F(DoctorTest, FindsEachFaultOfAHost) {
  version_ = R"({"major":"1","minor":"30+","gitVersion":"v1.30.1"})";
  host_.put(kube::resources::kDeployment,
            {{"metadata", {{"namespace", "vk8s-system"}, {"name", "vk8s-controller-manager"}}},
             {"spec", {{"replicas", 1}}}});
  host_.put(kube::resources::kStorageClass, {{"metadata", {{"name", "fast"}}}});
  host_.put(kube::resources::kNamespace,
            {{"metadata",
              {{"name", "research"},
               {"labels", JsonObject{{"pod-security.kubernetes.io/enforce", "baseline"}}}}}});
  put_node("host-2", "Unknown");
  const Outcome outcome = run({"doctor", "-o", "json"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("3 of 7 checks failed"));
  const auto document = base::parse_json(outcome.out);
  ASSERT_TRUE(document) << outcome.out;
  EXPECT_EQ(base::get_bool(*document, "ok"), false);
  std::vector<std::string> found;
  for (const Json& finding : *base::get_array(*document, "findings")) {
    found.push_back(fmt::format("{} {}", base::get_string(finding, "level").value(),
                                base::get_string(finding, "subject").value()));
    EXPECT_EQ(base::get_string(finding, "level") == "OK",
              base::get_string(finding, "fix").value().empty());
  }
  EXPECT_THAT(found,
              ::testing::ElementsAre("FAIL host API server", "OK Vk8s resource", "FAIL controller",
                                     "WARN default StorageClass", "FAIL namespace research",
                                     "OK host nodes", "WARN host node host-2"));
}

TEST_F(DoctorTest, WarnsOfWhatItMayNotRead) {
  host_.set_hook([](const kube::FakeRequest& request) -> std::optional<Error> {
    return request.resource == kube::resources::kNode
               ? std::optional<Error>(Error(Errc::kForbidden, "nodes is forbidden"))
               : std::nullopt;
  });
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_THAT(outcome.out, HasSubstr("WARN  host nodes"));
  EXPECT_THAT(outcome.out, HasSubstr("-> ask an administrator"));
}

TEST_F(DoctorTest, LooksAtTheMachinesLimitsOnlyWhereAHostNodeRunsOnIt) {
  const std::string root = around_.sysctl_root;
  ASSERT_TRUE(sys::ensure_directory(root + "/kernel/random"));
  ASSERT_TRUE(sys::ensure_directory(root + "/fs/inotify"));
  ASSERT_TRUE(sys::write_file(root + "/kernel/random/boot_id", "this-boot\n"));
  ASSERT_TRUE(sys::write_file(root + "/fs/inotify/max_user_instances", "128\n"));
  ASSERT_TRUE(sys::write_file(root + "/fs/inotify/max_user_watches", "2000000\n"));
  EXPECT_THAT(run({"doctor"}).out, Not(HasSubstr("inotify")));
  put_node("host-1", "True", "this-boot");
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_THAT(outcome.out, HasSubstr("WARN  fs.inotify.max_user_instances"));
  EXPECT_THAT(outcome.out, HasSubstr("-> sysctl -w fs.inotify.max_user_instances=8192"));
  EXPECT_THAT(outcome.out, HasSubstr("OK    fs.inotify.max_user_watches"));
}

TEST_F(DoctorTest, AsksTheClustersOwnApiServer) {
  put_cluster(cluster_in_phase("team-a", "Running"));
  put_issued_kubeconfig("team-a", "https://198.18.0.10:31443");
  around_.now = [] { return std::chrono::system_clock::now(); };
  inner_.set_raw([](const kube::RawRequest& request) -> std::optional<kube::RawResponse> {
    EXPECT_EQ(request.path, "/readyz");
    return kube::RawResponse{200, "ok"};
  });
  const Outcome well = run({"doctor", "team-a"});
  EXPECT_EQ(well.code, kExitOk) << well.out;
  EXPECT_THAT(well.out, HasSubstr("https://198.18.0.10:31443 is ready"));
  EXPECT_THAT(well.out, HasSubstr("valid until"));
  inner_.set_raw(nullptr);
  const Outcome ill = run({"doctor", "team-a"});
  EXPECT_EQ(ill.code, kExitFailed);
  EXPECT_THAT(ill.out, HasSubstr("FAIL  API server of the cluster"));
}

TEST_F(DoctorTest, TakesACredentialThatEndsForAFault) {
  put_cluster(cluster_in_phase("team-a", "Running"));
  put_issued_kubeconfig("team-a", "https://198.18.0.10:31443");
  around_.now = [] { return std::chrono::system_clock::now() + std::chrono::hours(24 * 350); };
  EXPECT_THAT(run({"doctor", "team-a"}).out, HasSubstr("WARN  credentials"));
  around_.now = [] { return std::chrono::system_clock::now() + std::chrono::hours(24 * 400); };
  EXPECT_THAT(run({"doctor", "team-a"}).out, HasSubstr("FAIL  credentials"));
}

TEST_F(DoctorTest, FailsForAClusterThatIsNotThere) {
  const Outcome outcome = run({"doctor", "team-a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("there is no cluster \"team-a\""));
}

ClusterView with_conditions(const std::string& phase) {
  Json object = cluster_in_phase("a", phase);
  const auto condition = [](const char* type, const char* status, const char* message) {
    return JsonObject{{"type", type}, {"status", status}, {"reason", "R"}, {"message", message}};
  };
  object.at("status").as_object()["conditions"] =
      JsonArray{condition("Ready", "True", ""),
                condition("NodesReady", "False", "not ready: x"),
                condition("Degraded", "False", ""),
                condition("Ephemeral", "True", "no volume"),
                condition("UnsupportedVersion", "True", "it cannot go there"),
                condition("NetworkConflict", "False", "")};
  return view_of(object);
}

TEST(ClusterChecks, KnowWhichConditionsAreBadNewsWhenTrue) {
  const Findings findings = check_conditions(with_conditions("Running"));
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].subject, "condition NodesReady");
  EXPECT_EQ(findings[0].level, FindingLevel::kFail);
  EXPECT_EQ(findings[1].subject, "condition Ephemeral");
  EXPECT_EQ(findings[1].level, FindingLevel::kWarn);
  EXPECT_EQ(findings[2].subject, "condition UnsupportedVersion");
  EXPECT_EQ(findings[2].level, FindingLevel::kWarn);
}

TEST(ClusterChecks, AreLenientWhileItComesUp) {
  EXPECT_EQ(check_conditions(with_conditions("Installing"))[0].level, FindingLevel::kWarn);
  const Findings nodes = check_cluster_nodes(with_conditions("Installing"));
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].level, FindingLevel::kWarn);
  EXPECT_THAT(nodes[0].what, HasSubstr("starting kubelet"));
  EXPECT_EQ(check_phase(with_conditions("Paused")).level, FindingLevel::kWarn);
  EXPECT_EQ(check_phase(with_conditions("Fail")).level, FindingLevel::kFail);
  EXPECT_TRUE(check_cluster_nodes(with_conditions("Paused")).empty());
}

}  // namespace
}  // namespace vk8s::cli
