#include "addons/field_ownership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::object_of;

std::string live_of(const std::string& fields, const std::string& body,
                    const std::string& operation = "Update") {
  return fmt::format(R"(
metadata:
  managedFields:
  - {{manager: vk8s-addons, operation: Apply, fieldsV1: {{"f:spec": {{"f:replicas": {{}}}}}}}}
  - {{manager: user, operation: {}, fieldsV1: {}}}
{})",
                     operation, fields, body);
}

OwnershipSplit split(const std::string& wanted, const std::string& live) {
  return split_by_ownership(object_of(wanted), object_of(live), "vk8s-addons");
}

TEST(FieldOwnership, LeavesOutWhatOthersHaveChanged) {
  const OwnershipSplit result =
      split("spec: {replicas: 1, paused: false}",
            live_of(R"({"f:spec": {"f:replicas": {}}})", "spec: {replicas: 3, paused: true}"));
  EXPECT_EQ(base::to_string(result.object), R"({"spec":{"paused":false}})");
  EXPECT_THAT(result.kept, ElementsAre(KeptField{"spec.replicas", "user"}));
}

TEST(FieldOwnership, SharesWhatIsTheSame) {
  EXPECT_THAT(split("spec: {replicas: 3}",
                    live_of(R"({"f:spec": {"f:replicas": {}}})", "spec: {replicas: 3}"))
                  .kept,
              IsEmpty());
}

TEST(FieldOwnership, FindsElementsOfListsByTheirKey) {
  const OwnershipSplit result = split(
      "spec: {containers: [{name: a, image: x}, {name: b, image: x, ports: [{containerPort: 80, "
      "name: p}]}]}",
      live_of(
          R"({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:image": {},
          "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}}}}})",
          "spec: {containers: [{name: b, image: y, ports: [{containerPort: 80, protocol: TCP, "
          "name: "
          "q}]}, {name: a, image: y}]}"));
  EXPECT_EQ(base::to_string(result.object), R"({"spec":{"containers":[{"name":"a","image":"x"},)"
                                            R"({"name":"b","ports":[{"containerPort":80}]}]}})");
  EXPECT_THAT(
      result.kept,
      ElementsAre(
          KeptField{"spec.containers[name=b].image", "user"},
          KeptField{"spec.containers[name=b].ports[containerPort=80,protocol=TCP].name", "user"}));
}

TEST(FieldOwnership, TakesKeysWithDotsAndWholeMaps) {
  const OwnershipSplit result =
      split("metadata: {labels: {a.b/c: x}}\nspec: {selector: {a: b}}",
            live_of(R"({"f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
                    "f:spec": {"f:selector": {}}})",
                    "spec: {selector: {a: c}}") +
                "\nextra: {}");
  // The live object of this test has no labels: nothing there is another's value.
  EXPECT_THAT(result.kept, ElementsAre(KeptField{"spec.selector", "user"}));
}

TEST(FieldOwnership, AnotherOperationOfTheSameNameIsSomebodyElse) {
  std::string live = live_of(R"({"f:spec": {"f:replicas": {}}})", "spec: {replicas: 3}");
  live.replace(live.find("manager: user"), 13, "manager: vk8s-addons");
  EXPECT_EQ(split("spec: {replicas: 1}", live).kept.size(), 1U);
  EXPECT_THAT(split("spec: {replicas: 1}", "spec: {replicas: 3}").kept, IsEmpty());
}

TEST(FieldOwnership, OwnsAllThatItHasAppliedHoweverItIsWritten) {
  const Json live = object_of(R"(
metadata:
  managedFields:
  - manager: vk8s-addons
    operation: Apply
    fieldsV1:
      f:metadata: {f:labels: {f:app: {}}, f:finalizers: {'v:"a"': {}}}
      f:spec:
        f:limits: {f:cpu: {}}
        f:args: {}
        f:ports: {'k:{"port":80,"protocol":"TCP"}': {.: {}, f:port: {}, f:name: {}}}
spec: {limits: {cpu: "1"}}
)");
  constexpr const char* kWanted = R"(
apiVersion: v1
kind: Thing
metadata: {name: a, namespace: b, creationTimestamp: null, labels: {app: a}, finalizers: [a]}
spec: {limits: {cpu: 1000m}, args: [x], ports: [{port: 80, name: web}]}
)";
  EXPECT_TRUE(owns_all(object_of(kWanted), live, "vk8s-addons"));
  EXPECT_FALSE(owns_all(object_of(kWanted), live, "another"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = kWanted;
    return object_of(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_FALSE(owns_all(with("cpu: 1000m", "memory: 1Gi"), live, "vk8s-addons"));
  EXPECT_FALSE(owns_all(with("port: 80", "port: 81"), live, "vk8s-addons"));
  EXPECT_FALSE(owns_all(with("name: web", "name: web, hostPort: 1"), live, "vk8s-addons"));
  EXPECT_FALSE(owns_all(with("finalizers: [a]", "finalizers: [b]"), live, "vk8s-addons"));
  EXPECT_FALSE(owns_all(with("args: [x]", "replicas: 1"), live, "vk8s-addons"));
}

TEST(FieldOwnership, PassesOverWhatIsNoFieldSet) {
  EXPECT_THAT(split("spec: {replicas: 1, list: [1]}",
                    live_of(R"({"f:spec": [], "k:{": {}, "f:list": 3, "x": {"f:y": {}}})",
                            "spec: {replicas: 2}"))
                  .kept,
              ElementsAre(KeptField{"spec", "user"}));
}

}  // namespace
}  // namespace vk8s::addons
