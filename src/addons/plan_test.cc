#include "addons/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "addons/directed_graph.h"
#include "addons/pod_references.h"
#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::item_of;
using testing::needs_of;
using ::testing::Not;
using testing::object_of;
using testing::plan_of;
using ::testing::UnorderedElementsAre;

constexpr const char* kNamespace = "\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";

// A server of webhooks, with its Service.
std::string server(const std::string& name, const std::string& labels = "") {
  return fmt::format(R"(
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {0}, namespace: n}}
spec:
  template:
    metadata: {{labels: {{app: {0}{1}}}}}
    spec:
      containers: [{{name: c, image: i}}]
      volumes: [{{name: v, secret: {{secretName: {0}-cert}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {0}, namespace: n}}
spec: {{selector: {{app: {0}}}}}
)",
                     name, labels);
}

std::string webhook(const std::string& name, const std::string& service, const std::string& group,
                    const std::string& resource, const std::string& more = "") {
  return fmt::format(R"(
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: {0}}}
webhooks:
- name: {0}.example
  clientConfig: {{service: {{name: {1}, namespace: n}}}}
  rules: [{{apiGroups: ["{2}"], apiVersions: [v1], operations: [CREATE], resources: ["{3}"]}}]
  {4}
)",
                     name, service, group, resource, more);
}

std::string definition(const std::string& kind, const std::string& plural) {
  return fmt::format(R"(
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {1}.example.org}}
spec: {{group: example.org, scope: Namespaced, names: {{kind: {0}, plural: {1}}}}}
)",
                     kind, plural);
}

std::string custom(const std::string& kind, const std::string& name,
                   const std::string& spec = "{}") {
  return fmt::format(
      "\n---\napiVersion: example.org/v1\nkind: {}\nmetadata: {{name: {}, namespace: n}}\nspec: "
      "{}\n",
      kind, name, spec);
}

TEST(Plan, ObjectsNeedTheirNamespaceAndTheirDefinition) {
  const auto plan = plan_of(custom("Thing", "t") + kNamespace + definition("Thing", "things"));
  EXPECT_THAT(needs_of(*plan, "Thing", "t"),
              UnorderedElementsAre("ready Namespace n",
                                   "ready CustomResourceDefinition things.example.org"));
  EXPECT_THAT(needs_of(*plan, "Namespace", "n"), IsEmpty());
  // Who goes first of those that can.
  EXPECT_THAT(plan->order, ElementsAre(1, 2, 0));
}

TEST(Plan, WorkloadsNeedWhatTheirPodsName) {
  const auto plan = plan_of(R"(
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: n}
spec: {jobTemplate: {spec: {template: {spec: {
  serviceAccountName: sa,
  containers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: n}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: other}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa, namespace: n}
)");
  EXPECT_THAT(needs_of(*plan, "CronJob", "c"),
              UnorderedElementsAre("applied ConfigMap n/settings", "applied ServiceAccount n/sa"));
}

TEST(Plan, BindingsNeedTheirRole) {
  const auto plan = plan_of(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: n}
roleRef: {kind: Role, name: r}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: n}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: m}
)");
  EXPECT_THAT(needs_of(*plan, "RoleBinding", "b"), ElementsAre("applied Role n/r"));
}

TEST(Plan, WebhooksNeedTheirServersAndGuardWhatTheyMatch) {
  const auto plan = plan_of(server("hook") + webhook("guard", "hook", "example.org", "things") +
                            definition("Thing", "things") + definition("Other", "others") +
                            custom("Thing", "t") + custom("Other", "o"));
  EXPECT_THAT(needs_of(*plan, "ValidatingWebhookConfiguration", "guard"),
              UnorderedElementsAre("endpoints n/hook", "applied Service n/hook",
                                   "ready Deployment n/hook"));
  EXPECT_THAT(needs_of(*plan, "Thing", "t"),
              Contains("ready ValidatingWebhookConfiguration guard"));
  EXPECT_THAT(needs_of(*plan, "Other", "o"),
              Not(Contains("ready ValidatingWebhookConfiguration guard")));
  EXPECT_THAT(plan->services, ElementsAre(kube::ObjectKey{"n", "hook"}));
  EXPECT_THAT(plan->dropped, IsEmpty());
}

TEST(Plan, ValidatorsThatMayBeAwayAreNotWaitedFor) {
  const auto plan = plan_of(
      server("hook") + webhook("guard", "hook", "example.org", "things", "failurePolicy: Ignore") +
      definition("Thing", "things") + custom("Thing", "t"));
  EXPECT_THAT(needs_of(*plan, "Thing", "t"),
              Not(Contains("ready ValidatingWebhookConfiguration guard")));
}

TEST(Plan, WorkloadsWaitForTheWebhooksOfTheirPods) {
  // The injector's own pods are left out by a label, as Istio's are by their Namespace.
  const auto plan =
      plan_of(server("hook", ", inject: 'false'") + server("app") +
              webhook("inject", "hook", "", "pods",
                      "objectSelector: {matchExpressions: [{key: inject, operator: NotIn, values: "
                      "['false']}]}"));
  EXPECT_THAT(needs_of(*plan, "Deployment", "app"),
              ElementsAre("ready ValidatingWebhookConfiguration inject"));
  EXPECT_THAT(needs_of(*plan, "Deployment", "hook"), IsEmpty());
}

TEST(Plan, NamespaceSelectorsLookAtTheLabelsOfTheSet) {
  const std::string selector = "namespaceSelector: {matchLabels: {inject: enabled}}";
  const std::string set = server("app") + server("hook", "") +
                          webhook("inject", "hook", "", "configmaps", selector) +
                          "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: "
                          "m}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: m";
  EXPECT_THAT(needs_of(*plan_of(set + ", labels: {inject: enabled}}\n"), "ConfigMap", "c"),
              Contains("ready ValidatingWebhookConfiguration inject"));
  EXPECT_THAT(needs_of(*plan_of(set + "}\n"), "ConfigMap", "c"),
              Not(Contains("ready ValidatingWebhookConfiguration inject")));
}

TEST(Plan, GivesUpWaitsThatCloseACircle) {
  // It guards Deployments, its own server among them.
  const auto plan =
      plan_of(server("hook") + server("app") + webhook("guard", "hook", "apps", "deployments"));
  EXPECT_THAT(needs_of(*plan, "Deployment", "hook"), IsEmpty());
  EXPECT_THAT(needs_of(*plan, "Deployment", "app"),
              ElementsAre("ready ValidatingWebhookConfiguration guard"));
  ASSERT_EQ(plan->dropped.size(), 1U);
  EXPECT_EQ(plan->dropped[0].item, item_of(*plan, "Deployment", "hook"));
}

TEST(Plan, WhoPromisesASecretOfAServerIsPartOfItsCircle) {
  // The server cannot start before the certificate, nor answer for it.
  const auto circle = plan_of(server("hook") + definition("Certificate", "certificates") +
                              webhook("guard", "hook", "example.org", "certificates") +
                              custom("Certificate", "c", "{secretName: hook-cert}"));
  EXPECT_THAT(needs_of(*circle, "Certificate", "c"),
              ElementsAre("ready CustomResourceDefinition certificates.example.org"));
  const auto line = plan_of(server("hook") + definition("Certificate", "certificates") +
                            webhook("guard", "hook", "example.org", "certificates") +
                            custom("Certificate", "c", "{secretName: other-cert}"));
  EXPECT_THAT(needs_of(*line, "Certificate", "c"),
              Contains("ready ValidatingWebhookConfiguration guard"));
}

TEST(Plan, CustomResourcesWaitForTheConversionOfTheirDefinition) {
  const auto plan = plan_of(server("hook") + custom("Thing", "t") + R"(
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Thing, plural: things}
  conversion: {strategy: Webhook, webhook: {clientConfig: {service: {name: hook, namespace: n}}}}
)");
  EXPECT_THAT(needs_of(*plan, "Thing", "t"),
              ElementsAre("ready CustomResourceDefinition things.example.org", "endpoints n/hook",
                          "ready Deployment n/hook"));
}

TEST(Plan, ObjectsOfAnAggregatedApiWaitForIt) {
  const auto plan = plan_of(server("metrics") + R"(
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.custom.example}
spec: {group: custom.example, version: v1, service: {name: metrics, namespace: n}}
---
apiVersion: custom.example/v1
kind: Thing
metadata: {name: t, namespace: n}
)");
  EXPECT_THAT(needs_of(*plan, "Thing", "t"), ElementsAre("ready APIService v1.custom.example"));
  EXPECT_THAT(needs_of(*plan, "APIService", "v1.custom.example"), Contains("endpoints n/metrics"));
}

TEST(PodReferences, FindsWhatAPodCannotStartWithout) {
  const Json spec = object_of(R"(
serviceAccountName: sa
volumes:
- {name: a, secret: {secretName: s1}}
- {name: b, secret: {secretName: s2, optional: true}}
- {name: c, configMap: {name: m1}}
- {name: d, persistentVolumeClaim: {claimName: p1}}
- {name: e, projected: {sources: [{secret: {name: s3}}, {configMap: {name: m2, optional: true}}]}}
initContainers:
- {name: i, env: [{name: E, valueFrom: {secretKeyRef: {name: s4, key: k}}}]}
containers:
- {name: c, envFrom: [{secretRef: {name: s1}}], env: [{name: F, value: v}]}
)");
  std::vector<std::string> found;
  for (const PodReference& reference : pod_references(spec)) {
    found.push_back(reference.kind + " " + reference.name);
  }
  EXPECT_THAT(found, ElementsAre("ConfigMap m1", "PersistentVolumeClaim p1", "Secret s1",
                                 "Secret s3", "Secret s4", "ServiceAccount sa"));
}

TEST(DirectedGraph, FindsStrongComponents) {
  DirectedGraph graph(6);
  for (const auto& [from, to] : {std::pair{0, 1}, {1, 2}, {2, 0}, {2, 3}, {3, 4}, {4, 3}, {5, 0}}) {
    graph.add_edge(static_cast<std::size_t>(from), static_cast<std::size_t>(to));
  }
  const auto component = graph.strong_components();
  EXPECT_EQ(component[0], component[1]);
  EXPECT_EQ(component[0], component[2]);
  EXPECT_EQ(component[3], component[4]);
  EXPECT_NE(component[0], component[3]);
  EXPECT_NE(component[5], component[0]);
}

TEST(DirectedGraph, TakesLongPaths) {
  constexpr std::size_t kNodes = 200'000;
  DirectedGraph graph(kNodes);
  for (std::size_t i = 0; i + 1 < kNodes; ++i) {
    graph.add_edge(i, i + 1);
  }
  const auto component = graph.strong_components();
  EXPECT_NE(component.front(), component.back());
}

}  // namespace
}  // namespace vk8s::addons
