#include "addons/manifest_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "addons/labels.h"
#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;
using testing::object_of;
using testing::set_of;

std::string refusal_of(const std::string& yaml, const ManifestLimits& limits = {}) {
  const auto set = ManifestSet::create({{.path = "set.yaml", .content = yaml}}, limits);
  return set ? "" : set.error().message();
}

TEST(ManifestSet, ReadsDocumentsAndTakesListsApart) {
  const ManifestSet set = set_of(R"(
apiVersion: v1
kind: Namespace
metadata: {name: a, creationTimestamp: null, uid: x}
status: {phase: Active}
---
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: b, namespace: a}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: c}
---
)");
  ASSERT_EQ(set.manifests().size(), 3U);
  const Manifest& space = set.manifests()[0];
  EXPECT_EQ(space.stage, Stage::kNamespaces);
  EXPECT_FALSE(space.namespaced);
  EXPECT_EQ(base::to_string(space.object),
            R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})");
  EXPECT_EQ(set.manifests()[1].id.to_string(), "Deployment a/b");
  EXPECT_EQ(set.manifests()[1].plural, "deployments");
  // As kubectl does where nothing else is said.
  EXPECT_EQ(set.manifests()[2].id.namespace_name, "default");
  EXPECT_EQ(text_at(set.manifests()[2].object, "metadata.namespace"), "default");
}

TEST(ManifestSet, LearnsKindsFromItsOwnDefinitions) {
  const ManifestSet set = set_of(R"(
apiVersion: metacontroller.k8s.io/v1alpha1
kind: DecoratorController
metadata: {name: d, namespace: kubeflow}
---
apiVersion: other.example/v1
kind: Thing
metadata: {name: t}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: decoratorcontrollers.metacontroller.k8s.io}
spec:
  group: metacontroller.k8s.io
  scope: Cluster
  names: {kind: DecoratorController, plural: decoratorcontrollers}
)");
  const Manifest& decorator = set.manifests()[0];
  EXPECT_EQ(decorator.stage, Stage::kCustomResources);
  EXPECT_EQ(decorator.plural, "decoratorcontrollers");
  EXPECT_EQ(decorator.id.to_string(), "DecoratorController d");
  EXPECT_EQ(base::find(decorator.object, "metadata.namespace"), nullptr);
  EXPECT_EQ(set.manifests()[1].plural, "");
}

TEST(ManifestSet, LeavesAggregatedRulesToTheirController) {
  const ManifestSet set = set_of(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: one}
rules: []
)");
  EXPECT_EQ(base::find(set.manifests()[0].object, "rules"), nullptr);
  EXPECT_NE(base::find(set.manifests()[1].object, "rules"), nullptr);
}

TEST(ManifestSet, RefusesWhatCannotBeAppliedAndSaysWhere) {
  const std::string good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
  EXPECT_THAT(refusal_of(good + "---\n- 1\n"), HasSubstr("set.yaml document 2: it is no object"));
  EXPECT_THAT(refusal_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a}\n"),
              HasSubstr("without a valid metadata.name"));
  EXPECT_THAT(refusal_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a b}\n"),
              HasSubstr("without a valid metadata.name"));
  EXPECT_THAT(refusal_of("apiVersion: ../v1\nkind: A\nmetadata: {name: a}\n"),
              HasSubstr("apiVersion and kind"));
  EXPECT_THAT(refusal_of(good + "---\n" + good), HasSubstr("ConfigMap default/a is in"));
  EXPECT_THAT(refusal_of("---\n"), HasSubstr("no object"));
  EXPECT_THAT(refusal_of(good, {.max_objects = 0}), HasSubstr("more than 0"));
  EXPECT_THAT(refusal_of(good, {.max_object_bytes = 20}), HasSubstr("API servers take 20"));
  EXPECT_THAT(refusal_of(good, {.max_values = 3}), HasSubstr("too many values"));
}

TEST(ManifestSet, RefusesAliasBombs) {
  EXPECT_THAT(refusal_of("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), HasSubstr("anchors"));
}

TEST(ManifestSet, ReadsInfoAndLockBesideTheObjects) {
  const auto set = ManifestSet::create(
      {{.path = "addon.json",
        .content = R"({"version": "26.03", "kubernetes": {"min": "1.31", "max": "1.35"}})"},
       {.path = "images.lock.json", .content = R"({"images": {}})"},
       {.path = "a/b.json",
        .content = R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})"}});
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(set->info().version, "26.03");
  EXPECT_EQ(set->info().max_kubernetes, "1.35");
  EXPECT_EQ(set->image_lock(), R"({"images": {}})");
  EXPECT_EQ(set->manifests().front().component, "a");
}

TEST(ManifestSet, NamesComponents) {
  const ManifestSet set = set_of(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: n, labels: {app: web, app.kubernetes.io/part-of: shop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, namespace: n, annotations: {vk8s.sktelecom.com/component: mine}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: n}
---
apiVersion: things.example/v1
kind: Thing
metadata: {name: d}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e}
)");
  std::vector<std::string> names;
  for (const Manifest& manifest : set.manifests()) {
    names.push_back(manifest.component);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("shop", "mine", "n", "things.example", "cluster"));
}

TEST(ManifestSet, DigestIsOfTheObjectsAlone) {
  const std::string object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
  EXPECT_EQ(digest_of(set_of(object)), digest_of(set_of("# a comment\n---\n" + object)));
  EXPECT_NE(digest_of(set_of(object)), digest_of(set_of(object + "data: {a: b}\n")));
}

TEST(Kinds, KnowsPluralsAndScopes) {
  const auto plural = [](const char* group, const char* kind) {
    return find_builtin_kind(group, kind).value_or(KindInfo{}).plural;
  };
  EXPECT_EQ(plural("networking.k8s.io", "NetworkPolicy"), "networkpolicies");
  EXPECT_EQ(plural("networking.k8s.io", "Ingress"), "ingresses");
  EXPECT_EQ(plural("", "Endpoints"), "endpoints");
  EXPECT_EQ(plural("storage.k8s.io", "StorageClass"), "storageclasses");
  EXPECT_EQ(plural("gateway.networking.k8s.io", "Gateway"), "");
  EXPECT_FALSE(find_builtin_kind("rbac.authorization.k8s.io", "ClusterRole")->namespaced);
  EXPECT_TRUE(find_builtin_kind("", "Secret")->namespaced);
}

TEST(Labels, SelectsAsKubernetesDoes) {
  const Labels labels = {{"app", "web"}, {"tier", "front"}};
  const auto holds = [&](const std::string& selector) {
    const Json object = object_of("s: " + selector);
    return selects(base::find(object, "s"), labels);
  };
  EXPECT_TRUE(selects(nullptr, labels));
  EXPECT_TRUE(holds("{}"));
  EXPECT_TRUE(holds("{matchLabels: {app: web}}"));
  EXPECT_FALSE(holds("{matchLabels: {app: db}}"));
  EXPECT_TRUE(holds("{matchExpressions: [{key: tier, operator: In, values: [back, front]}]}"));
  EXPECT_TRUE(holds("{matchExpressions: [{key: x, operator: NotIn, values: [y]}]}"));
  EXPECT_FALSE(holds("{matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}"));
  EXPECT_TRUE(holds("{matchExpressions: [{key: x, operator: DoesNotExist}]}"));
  EXPECT_FALSE(holds("{matchExpressions: [{key: x, operator: Exists}]}"));
  EXPECT_FALSE(holds("{matchExpressions: [{key: app, operator: Like, values: [web]}]}"));
  EXPECT_FALSE(holds("text"));
  EXPECT_FALSE(service_selects({}, labels));
  EXPECT_TRUE(service_selects({{"app", "web"}}, labels));
}

}  // namespace
}  // namespace vk8s::addons
