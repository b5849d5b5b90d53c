// create, list, get, delete, pause, resume, versions.
#include "cli/test_fixture.h"
#include "kube/yaml.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;

TEST_F(CliTest, CreateMakesNamedNodesInTheContextsNamespace) {
  const Outcome outcome = run({"create", "team-a", "--workers", "2", "--cpu", "2", "--memory",
                               "4Gi", "--version", "v1.37"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.out, "vk8s/team-a created\n");
  const Json* made = stored("team-a");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(base::get_string(*made, "spec.kubernetes.version"), "1.37");
  EXPECT_EQ(base::get_array(*made, "spec.nodes")->size(), 3U);
  EXPECT_EQ(base::get_string(*made, "spec.nodes.0.name"), "team-a-master-1");
  EXPECT_EQ(base::get_string(*made, "spec.nodes.2.name"), "team-a-worker-2");
  EXPECT_EQ(base::get_string(*made, "spec.nodes.2.role"), "worker");
  EXPECT_EQ(base::get_string(*made, "spec.nodes.1.resources.limits.memory"), "4Gi");
}

TEST_F(CliTest, CreateLeavesToTheApiWhatIsNotSaid) {
  EXPECT_EQ(run({"create", "team-a", "-n", "other"}).code, kExitOk);
  const Json* made = stored("team-a", "other");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(base::find(*made, "spec.kubernetes"), nullptr);
  EXPECT_EQ(base::find(*made, "spec.nodes.0.resources"), nullptr);
  EXPECT_EQ(base::find(*made, "spec.nodes.0.storage"), nullptr);
}

TEST_F(CliTest, CreateRefusesBadValuesNamingFlagValueAndRemedy) {
  const std::string long_name(45, 'a');
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"create", "9lives"}, "\"9lives\": a cluster's name begins with a letter"},
      {{"create", long_name}, "give a name of at most 43"},
      {{"create", "a", "--workers", "64"}, "--workers 64: give 0 to 63"},
      {{"create", "a", "--cpu", "two"}, "--cpu \"two\" is not an amount: give something like 2"},
      {{"create", "a", "--memory", "0"}, "--memory \"0\""},
      {{"create", "a", "--storage", "-1Gi"}, "--storage \"-1Gi\""},
      {{"create", "a", "--ephemeral", "--storage", "1Gi"}, "leave --storage"}};
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitUsage) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  }
  EXPECT_THAT(run({"create", "a", "--version", "1.2"}).err, HasSubstr("--version"));
  EXPECT_TRUE(host_.requests().empty());
}

TEST_F(CliTest, CreateDryRunPrintsAManifestAndAsksNobody) {
  const Outcome outcome =
      run({"create", "team-a", "--dry-run", "--storage", "20Gi", "--storage-class", "fast"});
  EXPECT_EQ(outcome.code, kExitOk);
  const auto document = kube::parse_yaml(outcome.out);
  ASSERT_TRUE(document) << outcome.out;
  EXPECT_EQ(base::get_string(*document, "kind"), "Vk8s");
  EXPECT_EQ(base::get_string(*document, "spec.nodes.0.storage.size"), "20Gi");
  EXPECT_EQ(base::get_string(*document, "spec.nodes.0.storage.storageClassName"), "fast");
  EXPECT_EQ(base::find(*document, "metadata.namespace"), nullptr);
  EXPECT_TRUE(host_.requests().empty());
}

TEST_F(CliTest, CreateSaysThatTheNameIsTaken) {
  put_cluster(cluster_object("team-a"));
  const Outcome outcome = run({"create", "team-a"});
  EXPECT_EQ(outcome.code, kExitConflict);
  EXPECT_THAT(outcome.err, HasSubstr("exists already in namespace \"research\""));
}

TEST_F(CliTest, CreateWaitsUntilRunningAndShowsEachStep) {
  put_while_watching(
      {cluster_in_phase("team-a", "Installing"), cluster_in_phase("team-a", "Running")});
  const Outcome outcome = run({"create", "team-a", "--workers", "1", "--wait"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.out, "vk8s/team-a is Running\n");
  EXPECT_THAT(outcome.err, HasSubstr("team-a-worker-1: Starting 40% starting kubelet\n"));
  EXPECT_THAT(outcome.err, HasSubstr("team-a: Running 2/2\n"));
}

TEST_F(CliTest, CreateWaitEndsWithTheReasonOfAFailure) {
  put_while_watching({cluster_in_phase("team-a", "Fail", "image cannot be pulled: \x1b[2J")});
  const Outcome outcome = run({"create", "team-a", "--wait"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("has failed: image cannot be pulled: ?[2J"));
}

TEST_F(CliTest, CreateWaitEndsAtItsTimeout) {
  const Outcome outcome = run({"create", "team-a", "--wait", "--timeout", "0.02"});
  EXPECT_EQ(outcome.code, kExitTimeout);
  EXPECT_THAT(outcome.err, HasSubstr("not Running after 0.02 s (Waiting)"));
}

TEST_F(CliTest, ListShowsTheClustersOfANamespaceOrOfAll) {
  put_cluster(cluster_in_phase("team-a", "Running"));
  put_cluster(cluster_object("team-b", "other"));
  EXPECT_EQ(run({"list"}).out,
            "NAME     PHASE     VERSION   NODES   AGE\n"
            "team-a   Running   1.37.2    2/2     5m\n");
  EXPECT_EQ(run({"ls", "-A"}).out,
            "NAMESPACE   NAME     PHASE     VERSION   NODES   AGE\n"
            "other       team-b   Waiting   -         0/2     5m\n"
            "research    team-a   Running   1.37.2    2/2     5m\n");
  EXPECT_THAT(run({"list", "-o", "wide"}).out, HasSubstr("https://198.18.0.10:31443"));
  EXPECT_EQ(run({"list", "-o", "name", "-n", "other"}).out, "vk8s/team-b\n");
  const auto json = base::parse_json(run({"list", "-A", "-o", "json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(base::get_array(*json, "items")->size(), 2U);
  const auto yaml = kube::parse_yaml(run({"list", "-o", "yaml"}).out);
  ASSERT_TRUE(yaml);
  EXPECT_EQ(base::get_string(*yaml, "items.0.metadata.name"), "team-a");
}

TEST_F(CliTest, ListOfNothingIsNoErrorAndLeavesStandardOutputEmpty) {
  const Outcome outcome = run({"list"});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("no clusters in namespace \"research\""));
}

TEST_F(CliTest, GetShowsNodesAndConditions) {
  Json object = cluster_in_phase("team-a", "Installing", "team-a-worker-1: starting");
  object.at("status").as_object()["conditions"] =
      JsonArray{JsonObject{{"type", "NodesReady"},
                           {"status", "False"},
                           {"reason", "NodeNotReady"},
                           {"message", "not ready: team-a-worker-1"},
                           {"lastTransitionTime", "2026-05-01T09:04:00Z"}}};
  put_cluster(object);
  const Outcome text = run({"get", "team-a"});
  EXPECT_EQ(text.code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("team-a-worker-1   worker   Starting   40%        starting"));
  EXPECT_THAT(text.out, HasSubstr("NodesReady   False    NodeNotReady   not ready"));
  const Outcome wide = run({"get", "team-a", "-o", "wide"});
  EXPECT_THAT(wide.out, HasSubstr("10.0.0.7"));
  EXPECT_THAT(wide.out, HasSubstr("60s"));
  const auto json = base::parse_json(run({"get", "team-a", "-o", "json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(base::get_string(*json, "status.phase"), "Installing");
  EXPECT_EQ(run({"get", "team-a", "-o", "name"}).out, "vk8s/team-a\n");
}

TEST_F(CliTest, GetCleansWhatOthersHaveWritten) {
  put_cluster(cluster_in_phase("team-a", "Installing",
                               "a\x1b[2J\xc2\x9b"
                               "b"));
  for (const char* format : {"text", "wide", "json", "yaml"}) {
    const std::string out = run({"get", "team-a", "-o", format}).out;
    EXPECT_EQ(out.find('\x1b'), std::string::npos) << format;
    EXPECT_EQ(out.find("\xc2\x9b"), std::string::npos) << format;
  }
  const auto yaml = kube::parse_yaml(run({"get", "team-a", "-o", "yaml"}).out);
  ASSERT_TRUE(yaml);
  EXPECT_EQ(base::get_string(*yaml, "status.message"),
            "a\x1b[2J\xc2\x9b"
            "b");
}

TEST_F(CliTest, GetSaysWhereToLookForAClusterThatIsNotThere) {
  const Outcome outcome = run({"get", "team-a"});
  EXPECT_EQ(outcome.code, kExitNotFound);
  EXPECT_THAT(outcome.err, HasSubstr("no cluster \"team-a\" in namespace \"research\""));
}

TEST_F(CliTest, DeleteAsksAndSaysWhatIsLost) {
  Json object = cluster_object("team-a");
  object.at("spec").at("nodes").at(1).as_object()["storage"] =
      JsonObject{{"size", "20Gi"}, {"reclaim", "Retain"}};
  put_cluster(object);
  type("n\n");
  const Outcome refused = run({"delete", "team-a"});
  EXPECT_EQ(refused.code, kExitFailed);
  EXPECT_THAT(refused.err, HasSubstr("its 2 nodes"));
  EXPECT_THAT(refused.err, HasSubstr("volumes lost: data-team-a-master-1-0\n"));
  EXPECT_THAT(refused.err, HasSubstr("volumes kept (reclaim: Retain): data-team-a-worker-1-0\n"));
  ASSERT_NE(stored("team-a"), nullptr);
  typed_.clear();
  type("y\n");
  EXPECT_EQ(run({"delete", "team-a"}).code, kExitOk);
  EXPECT_EQ(stored("team-a"), nullptr);
}

TEST_F(CliTest, DeleteWithoutATerminalNeedsYes) {
  put_cluster(cluster_object("team-a"));
  const Outcome refused = run({"delete", "team-a"});
  EXPECT_EQ(refused.code, kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  const Outcome done = run({"delete", "team-a", "--yes", "--wait"});
  EXPECT_EQ(done.code, kExitOk) << done.err;
  EXPECT_EQ(done.out, "vk8s/team-a deleted\n");
  EXPECT_EQ(run({"delete", "team-a", "--yes"}).code, kExitNotFound);
}

TEST_F(CliTest, DeleteWaitsForTheFinalizers) {
  Json object = cluster_object("team-a");
  object.at("metadata").as_object()["finalizers"] = JsonArray{"vk8s.sktelecom.com/addresses"};
  put_cluster(object);
  const Outcome waited = run({"delete", "team-a", "--yes", "--wait", "--timeout", "0.02"});
  EXPECT_EQ(waited.code, kExitTimeout);
  EXPECT_THAT(waited.err, HasSubstr("still there after 0.02 s"));
  EXPECT_EQ(base::get_string(*stored("team-a"), "metadata.name"), "team-a");
}

TEST_F(CliTest, PauseAndResumeSetTheSpecAndTakeTheOldAnnotationAway) {
  Json object = cluster_object("team-a");
  object.at("metadata").as_object()["annotations"] =
      JsonObject{{"vk8s-resource-stopped", "x"}, {"mine", "stays"}};
  put_cluster(object);
  EXPECT_EQ(run({"pause", "team-a"}).code, kExitOk);
  EXPECT_EQ(base::get_bool(*stored("team-a"), "spec.paused"), true);
  EXPECT_EQ(run({"resume", "team-a"}).code, kExitOk);
  EXPECT_EQ(base::get_bool(*stored("team-a"), "spec.paused"), false);
  EXPECT_EQ(base::find(*stored("team-a"), "metadata.annotations.vk8s-resource-stopped"), nullptr);
  EXPECT_EQ(base::get_string(*stored("team-a"), "metadata.annotations.mine"), "stays");
}

TEST_F(CliTest, PauseOfAClusterWithoutVolumesNeedsForce) {
  EXPECT_EQ(run({"create", "team-a", "--ephemeral"}).code, kExitOk);
  const Outcome refused = run({"pause", "team-a"});
  EXPECT_EQ(refused.code, kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_EQ(run({"pause", "team-a", "--force"}).code, kExitOk);
  const JsonObject* annotations = base::get_object(*stored("team-a"), "metadata.annotations");
  ASSERT_NE(annotations, nullptr);
  EXPECT_TRUE(annotations->contains("vk8s.sktelecom.com/force-pause"));
}

TEST_F(CliTest, VersionsListsTheCatalogue) {
  EXPECT_THAT(run({"versions"}).out, HasSubstr("1.37"));
  const auto json = base::parse_json(run({"versions", "-o", "json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->as_array().at(0).at("default").as_bool(), true);
}

}  // namespace
}  // namespace vk8s::cli
