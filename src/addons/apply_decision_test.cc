#include "addons/apply_decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/readiness.h"
#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;
using testing::object_of;
using testing::set_of;

constexpr const char* kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: n, labels: {app: d}}
spec: {replicas: 1, template: {spec: {containers: [{name: c, image: i}]}}}
)";

Json wanted_of(const std::string& yaml) { return marked(set_of(yaml).manifests().front(), "demo"); }

Json with(Json object, std::string_view path, Json value) {
  Json* at = &object;
  std::string_view rest = path;
  while (rest.find('.') != std::string_view::npos) {
    const std::string_view key = rest.substr(0, rest.find('.'));
    at = &at->as_object()[{key.data(), key.size()}];
    if (!at->is_object()) {
      *at = JsonObject();
    }
    rest.remove_prefix(key.size() + 1);
  }
  at->as_object()[{rest.data(), rest.size()}] = std::move(value);
  return object;
}

TEST(ApplyDecision, MarksObjectsWithTheirSetAndDigest) {
  const Json wanted = wanted_of(kDeployment);
  EXPECT_TRUE(is_of_set(wanted, "demo"));
  EXPECT_FALSE(is_of_set(wanted, "other"));
  EXPECT_EQ(base::find(wanted, "metadata.labels.app")->as_string(), "d");
  EXPECT_EQ(wanted.at("metadata").at("annotations").as_object().at(kDigestAnnotation).as_string(),
            digest_of(set_of(kDeployment).manifests().front().object));
  EXPECT_EQ(base::find(wanted, "spec.template.metadata"), nullptr);
}

TEST(ApplyDecision, KeepsWhatIsThereAndAppliesWhatIsNot) {
  const Json wanted = wanted_of(kDeployment);
  EXPECT_EQ(decide(wanted, wanted, "demo").action, ApplyAction::kKeep);
  // Defaults of the server do not count.
  EXPECT_EQ(decide(wanted, with(wanted, "spec.paused", false), "demo").action, ApplyAction::kKeep);
  const Json older = with(wanted, "metadata.annotations", JsonObject());
  EXPECT_EQ(decide(wanted, older, "demo").action, ApplyAction::kApply);
  // Somebody has taken a field away.
  Json less = wanted;
  less.at("spec").as_object().erase("replicas");
  EXPECT_EQ(decide(wanted, less, "demo").action, ApplyAction::kApply);
}

TEST(ApplyDecision, LeavesAUsersEditAlone) {
  const Json wanted = wanted_of(kDeployment);
  Json live = with(wanted, "spec.replicas", 5);
  live = with(live, "metadata.managedFields",
              object_of(R"(
a: [{manager: kubectl-edit, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}])")
                  .at("a"));
  const ApplyDecision same = decide(wanted, live, "demo");
  EXPECT_EQ(same.action, ApplyAction::kKeep);
  ASSERT_EQ(same.kept.size(), 1U);
  EXPECT_EQ(same.kept[0].path, "spec.replicas");
  const ApplyDecision newer =
      decide(wanted, with(live, "metadata.annotations", JsonObject()), "demo");
  EXPECT_EQ(newer.action, ApplyAction::kApply);
  EXPECT_EQ(base::find(newer.object, "spec.replicas"), nullptr);
  EXPECT_EQ(newer.kept, same.kept);
}

TEST(ApplyDecision, WaitsForWhatIsOnItsWayOut) {
  Json live = with(wanted_of(kDeployment), "metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
  live = with(live, "metadata.finalizers", JsonArray{"a.example/x"});
  const ApplyDecision decision = decide(wanted_of(kDeployment), live, "demo");
  EXPECT_EQ(decision.action, ApplyAction::kWait);
  EXPECT_THAT(decision.reason, HasSubstr("waits for a.example/x"));
}

TEST(ApplyDecision, TouchesNothingOfOthers) {
  const Json wanted = wanted_of(kDeployment);
  const Json foreign = with(wanted, "metadata.labels", JsonObject());
  EXPECT_EQ(decide(wanted, foreign, "demo").action, ApplyAction::kUseForeign);
  const ApplyDecision refused = decide(wanted, with(foreign, "spec.replicas", 2), "demo");
  EXPECT_EQ(refused.action, ApplyAction::kRefuse);
  EXPECT_THAT(refused.reason, HasSubstr("vk8s.sktelecom.com/addon=demo"));
  // That of another set is as foreign as a user's.
  EXPECT_EQ(
      decide(wanted, with(marked(set_of(kDeployment).manifests()[0], "other"), "spec.replicas", 2),
             "demo")
          .action,
      ApplyAction::kRefuse);
}

TEST(ApplyDecision, UsesAUsersDefinitionThatServesTheSameVersions) {
  const auto definition = [](const std::string& versions) {
    return R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec: {group: example.org, scope: Cluster, names: {kind: Thing, plural: things}, versions: )" +
           versions + "}";
  };
  const Json wanted =
      wanted_of(definition("[{name: v1, served: true}, {name: v0, served: false}]"));
  const Json more = object_of(definition("[{name: v2, served: true}, {name: v1, served: true}]"));
  EXPECT_EQ(decide(wanted, more, "demo").action, ApplyAction::kUseForeign);
  const Json less = object_of(definition("[{name: v1, served: false}]"));
  EXPECT_EQ(decide(wanted, less, "demo").action, ApplyAction::kRefuse);
}

TEST(ApplyDecision, UsesNamespacesAndFillsInDefaultServiceAccounts) {
  const std::string space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {a: b}}";
  EXPECT_EQ(decide(wanted_of(space), object_of("metadata: {name: n}"), "demo").action,
            ApplyAction::kUseForeign);
  const std::string account =
      "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: n}\n"
      "imagePullSecrets: [{name: s}]";
  EXPECT_EQ(decide(wanted_of(account), object_of("metadata: {name: default}"), "demo").action,
            ApplyAction::kApply);
}

TEST(ApplyDecision, ReplacesOnlyWhatHoldsNothing) {
  const Error refusal(
      Errc::kInvalidArgument,
      "Job.batch \"j\" is invalid: spec.template: field is immutable (422 Invalid)");
  EXPECT_TRUE(may_be_replaced({"batch", "Job", "n", "j"}, refusal));
  EXPECT_TRUE(may_be_replaced({"rbac.authorization.k8s.io", "RoleBinding", "n", "b"},
                              {Errc::kInvalidArgument, "cannot change roleRef (422 Invalid)"}));
  EXPECT_FALSE(may_be_replaced({"", "PersistentVolumeClaim", "n", "p"}, refusal));
  EXPECT_FALSE(may_be_replaced({"apps", "StatefulSet", "n", "s"}, refusal));
  EXPECT_FALSE(may_be_replaced({"example.org", "Job", "n", "s"}, refusal));
  EXPECT_FALSE(may_be_replaced({"batch", "Job", "n", "j"}, {Errc::kInvalidArgument, "no name"}));
}

TEST(ApplyDecision, KnowsWhichErrorsTimeHeals) {
  for (const Errc code : {Errc::kConflict, Errc::kTooManyRequests, Errc::kTimeout,
                          Errc::kUnavailable, Errc::kInternal, Errc::kNotFound}) {
    EXPECT_TRUE(is_transient({code, "x"})) << to_string(code);
  }
  for (const Errc code : {Errc::kInvalidArgument, Errc::kForbidden, Errc::kAlreadyExists,
                          Errc::kUnauthorized, Errc::kTooLarge, Errc::kUnsupported}) {
    EXPECT_FALSE(is_transient({code, "x"})) << to_string(code);
  }
  EXPECT_TRUE(is_transient({Errc::kForbidden, "namespace n because it is being terminated (403)"}));
}

Readiness ready(const ObjectId& id, const std::string& live, std::int64_t generation = 1) {
  return readiness_of(id, object_of(live), generation);
}

const ObjectId kTheDeployment{"apps", "Deployment", "n", "d"};

TEST(Readiness, ADeploymentIsRolledOut) {
  const auto status = [](const std::string& numbers) {
    return "metadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, " +
           numbers + "}";
  };
  EXPECT_TRUE(ready(kTheDeployment, status("replicas: 2, updatedReplicas: 2, availableReplicas: 2"))
                  .is_ready);
  // Pods of the version before are left.
  EXPECT_FALSE(
      ready(kTheDeployment, status("replicas: 3, updatedReplicas: 2, availableReplicas: 2"))
          .is_ready);
  EXPECT_THAT(ready(kTheDeployment, status("replicas: 2, updatedReplicas: 1, availableReplicas: 2"))
                  .message,
              HasSubstr("1 of 2 pods"));
  // What was seen is older than what was written.
  EXPECT_FALSE(
      ready(kTheDeployment, status("replicas: 2, updatedReplicas: 2, availableReplicas: 2"), 3)
          .is_ready);
  EXPECT_THAT(ready(kTheDeployment, status("conditions: [{type: Progressing, status: 'False', "
                                           "reason: ProgressDeadlineExceeded, message: late}]"))
                  .message,
              HasSubstr("ProgressDeadlineExceeded: late"));
}

TEST(Readiness, OtherWorkloads) {
  const ObjectId daemon_set{"apps", "DaemonSet", "n", "d"};
  EXPECT_TRUE(ready(daemon_set,
                    "metadata: {generation: 1}\nstatus: {observedGeneration: 1, "
                    "desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3}")
                  .is_ready);
  EXPECT_FALSE(ready(daemon_set,
                     "metadata: {generation: 1}\nstatus: {observedGeneration: 1, "
                     "desiredNumberScheduled: 3, updatedNumberScheduled: 2, numberAvailable: 3}")
                   .is_ready);
  const ObjectId stateful_set{"apps", "StatefulSet", "n", "s"};
  EXPECT_TRUE(ready(stateful_set,
                    "metadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: "
                    "1, replicas: 1, updatedReplicas: 1, readyReplicas: 1}")
                  .is_ready);
  const ObjectId job{"batch", "Job", "n", "j"};
  EXPECT_TRUE(ready(job, "status: {conditions: [{type: Complete, status: 'True'}]}").is_ready);
  EXPECT_THAT(ready(job,
                    "status: {conditions: [{type: Failed, status: 'True', reason: "
                    "BackoffLimitExceeded}]}")
                  .message,
              HasSubstr("BackoffLimitExceeded"));
}

TEST(Readiness, DefinitionsAreEstablished) {
  const ObjectId definition{"apiextensions.k8s.io", "CustomResourceDefinition", "", "d"};
  EXPECT_TRUE(
      ready(definition, "status: {conditions: [{type: Established, status: 'True'}]}").is_ready);
  EXPECT_FALSE(ready(definition, "status: {}").is_ready);
  EXPECT_THAT(ready(definition,
                    "status: {conditions: [{type: NamesAccepted, status: 'False', reason: "
                    "MultipleNamesNotAllowed, message: taken}]}")
                  .message,
              HasSubstr("its names are taken"));
}

TEST(Readiness, WebhooksHaveACertificateAuthority) {
  const ObjectId hooks{"admissionregistration.k8s.io", "MutatingWebhookConfiguration", "", "h"};
  const auto webhook = [](const std::string& config) {
    return "webhooks: [{name: w.example, clientConfig: " + config + "}]";
  };
  EXPECT_THAT(ready(hooks, webhook("{service: {name: s}}")).message, HasSubstr("w.example"));
  EXPECT_FALSE(ready(hooks, webhook("{service: {name: s}, caBundle: Cg==}")).is_ready);
  EXPECT_TRUE(ready(hooks, webhook("{service: {name: s}, caBundle: YQ==}")).is_ready);
  EXPECT_TRUE(ready(hooks, webhook("{url: 'https://a.example'}")).is_ready);
}

TEST(Readiness, NothingThatIsBeingDeletedIsReady) {
  EXPECT_FALSE(
      ready({"", "Namespace", "", "n"}, "metadata: {deletionTimestamp: x}\nstatus: {phase: Active}")
          .is_ready);
  EXPECT_FALSE(ready({"", "Namespace", "", "n"}, "status: {phase: Terminating}").is_ready);
  EXPECT_TRUE(ready({"", "ConfigMap", "n", "c"}, "data: {}").is_ready);
}

TEST(Readiness, EndpointsAreReadyUnlessTheySayOtherwise) {
  EXPECT_TRUE(has_ready_endpoint(object_of("endpoints: [{addresses: [10.0.0.1]}]")));
  EXPECT_FALSE(has_ready_endpoint(object_of("endpoints: [{conditions: {ready: false}}]")));
  EXPECT_FALSE(has_ready_endpoint(object_of("endpoints: null")));
}

}  // namespace
}  // namespace vk8s::addons
