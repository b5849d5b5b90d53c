#include "addons/apply_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using testing::FakeSite;
using ::testing::HasSubstr;
namespace resources = kube::resources;

constexpr const char* kConfigMap = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: demo}
data: {a: "1"}
)";

class ApplyTaskTest : public ::testing::Test {
 protected:
  // The outcome of one task for the object.
  Result<ApplyOutcome> apply(const std::string& yaml, bool is_known_absent = false) {
    const ManifestSet set = testing::set_of(yaml);
    const Manifest& manifest = set.manifests().front();
    ApplyRequest request{.id = manifest.id,
                         .resource = {manifest.id.group, manifest.version, manifest.plural,
                                      manifest.id.kind, manifest.namespaced},
                         .wanted = marked(manifest, "demo"),
                         .set_name = "demo",
                         .is_known_absent = is_known_absent};
    std::optional<Result<ApplyOutcome>> outcome;
    ApplyTask task(site_.client, std::move(request),
                   [&outcome](Result<ApplyOutcome> result) { outcome = std::move(result); });
    task.start();
    site_.settle();
    return outcome ? *std::move(outcome) : fail(Errc::kInternal, "the task has not ended");
  }
  std::vector<std::string> verbs() const {
    std::vector<std::string> out;
    for (const kube::FakeRequest& request : site_.client.requests()) {
      out.push_back(request.verb);
    }
    return out;
  }

  FakeSite site_;
};

TEST_F(ApplyTaskTest, LooksBeforeItAppliesUnlessNothingCanBeThere) {
  const auto first = apply(kConfigMap);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_TRUE(first->is_created);
  EXPECT_THAT(verbs(), ElementsAre("get", "apply"));
  site_.client.clear_requests();
  const auto second = apply(kConfigMap);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_created);
  EXPECT_EQ(second->uid, first->uid);
  EXPECT_THAT(verbs(), ElementsAre("get"));
}

TEST_F(ApplyTaskTest, SavesTheLookWhereNothingCanBeThere) {
  ASSERT_TRUE(apply(kConfigMap, true));
  EXPECT_THAT(verbs(), ElementsAre("apply"));
}

TEST_F(ApplyTaskTest, LooksAgainAfterAConflictAndGivesUpInTheEnd) {
  site_.client.fail_next("apply", resources::kConfigMap, {Errc::kConflict, "owned"}, 1);
  ASSERT_TRUE(apply(kConfigMap));
  EXPECT_THAT(verbs(), ElementsAre("get", "apply", "get", "apply"));
  site_.client.clear_requests();
  site_.client.fail_next("apply", resources::kConfigMap, {Errc::kConflict, "owned by x"}, 9);
  const auto outcome = apply(std::string(kConfigMap) + "# another\n", true);
  ASSERT_TRUE(outcome) << "it is there already, and the same";
  const auto changed = apply(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: demo}
data: {a: "2"}
)");
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().message(), HasSubstr("owned by x"));
  EXPECT_TRUE(is_transient(changed.error()));
}

TEST_F(ApplyTaskTest, MakesAnewWhatCannotBeChanged) {
  constexpr const char* kJob = R"(
apiVersion: batch/v1
kind: Job
metadata: {name: setup, namespace: demo}
spec: {template: {spec: {containers: [{name: c, image: %}]}}}
)";
  const auto job = [&](const std::string& image) {
    std::string yaml = kJob;
    return yaml.replace(yaml.find('%'), 1, image);
  };
  const auto first = apply(job("one"));
  ASSERT_TRUE(first);
  const kube::Resource kind{"batch", "v1", "jobs", "Job"};
  site_.client.fail_next("apply", kind,
                         {Errc::kInvalidArgument, "spec.template: field is immutable"}, 1);
  const auto refused = apply(job("two"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_transient(refused.error()));
  EXPECT_EQ(site_.client.peek(kind, {"demo", "setup"}), nullptr);
  const auto again = apply(job("two"));
  ASSERT_TRUE(again);
  EXPECT_NE(again->uid, first->uid);
}

TEST_F(ApplyTaskTest, LeavesAForeignObjectAlone) {
  site_.client.put(resources::kConfigMap, testing::object_of(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: demo}
data: {a: "mine"}
)"));
  const auto outcome = apply(kConfigMap);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::kAlreadyExists);
  EXPECT_THAT(outcome.error().message(), HasSubstr("vk8s.sktelecom.com/addon=demo"));
  EXPECT_THAT(verbs(), ElementsAre("get"));
}

}  // namespace
}  // namespace vk8s::addons
