#include "addons/image_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/image_reference.h"
#include "addons/test_set.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::set_of;

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string spelled(std::string_view text) {
  const auto reference = ImageReference::parse(text);
  return reference ? reference->to_string() : "refused";
}

ImageLock lock_of(const std::string& images) {
  auto lock = ImageLock::parse(R"({"images": {)" + images + "}}");
  EXPECT_TRUE(lock) << (lock ? "" : lock.error().message());
  return lock ? *lock : ImageLock();
}

std::string entry(const std::string& image, const std::string& repository = "") {
  return fmt::format(R"("{}": {{{}"digest": "{}"}})", image,
                     repository.empty() ? "" : fmt::format(R"("repository": "{}", )", repository),
                     kDigest);
}

std::vector<std::string> names(const std::vector<ImageUse>& uses) {
  std::vector<std::string> out;
  for (const ImageUse& use : uses) {
    out.push_back(use.image);
  }
  return out;
}

TEST(ImageReference, ReadsAsRuntimesDo) {
  EXPECT_EQ(spelled("mysql:8.0"), "docker.io/library/mysql:8.0");
  EXPECT_EQ(spelled("kserve/agent"), "docker.io/kserve/agent:latest");
  EXPECT_EQ(spelled("localhost/a"), "localhost/a:latest");
  EXPECT_EQ(spelled("registry:5000/a/b:v1"), "registry:5000/a/b:v1");
  EXPECT_EQ(spelled("quay.io/a/b@" + kDigest), "quay.io/a/b@" + kDigest);
  EXPECT_EQ(spelled("quay.io/a/b:v1@" + kDigest), "quay.io/a/b:v1@" + kDigest);
  for (const char* bad : {"", "A/b", "a//b", "a/", "/a", "a:", "a:b:c", "a@sha256:1", "http://a/b",
                          "a b", "-a", "a/b:-x"}) {
    EXPECT_EQ(spelled(bad), "refused") << bad;
  }
}

TEST(ImageLock, FindsAnImageInEverySpelling) {
  const ImageLock lock = lock_of(entry("mysql:8.0", "db/mysql") + "," + entry("quay.io/a/b:v1"));
  EXPECT_EQ(lock.find("docker.io/library/mysql:8.0")->repository, "db/mysql");
  EXPECT_EQ(lock.find("quay.io/a/b:v1")->repository, "quay.io/a/b");
  EXPECT_FALSE(lock.find("mysql:8.1"));
  EXPECT_EQ(lock.images().size(), 2U);
}

TEST(ImageLock, RefusesWhatWouldPinNothing) {
  EXPECT_FALSE(ImageLock::parse(R"({"images": {"a:1": {"digest": "latest"}}})"));
  EXPECT_FALSE(ImageLock::parse(R"({"images": {"a b": {"digest": ")" + kDigest + R"("}}})"));
  EXPECT_FALSE(ImageLock::parse(R"({"images": []})"));
  for (const std::string& repository :
       {std::string("../x"), std::string("x:v1"), std::string("docker.io/x:v1"), "x@" + kDigest}) {
    EXPECT_FALSE(ImageLock::parse(R"({"images": {"a:1": {"repository": ")" + repository +
                                  R"(", "digest": ")" + kDigest + R"("}}})"))
        << repository;
  }
}

// One object of each place that an image may stand in.
constexpr const char* kObjects = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: n}
spec:
  template:
    spec:
      initContainers: [{name: i, image: "mysql:8.0"}]
      containers:
      - name: c
        image: quay.io/a/b:v1
        args: ["--solver=quay.io/a/solver:v2", "--upstream=http://127.0.0.1:8080/"]
        env: [{name: LAUNCHER, value: "quay.io/a/launcher:v3"}]
      volumes: [{name: v, image: {reference: "quay.io/a/data:v4"}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: j, namespace: n}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "quay.io/a/job:v5"}]}}}}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: r}
spec: {containers: [{name: c, image: "quay.io/a/runtime:v6"}]}
---
apiVersion: caching.internal.knative.dev/v1alpha1
kind: Image
metadata: {name: q, namespace: n}
spec: {image: "quay.io/a/queue:v7"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m, namespace: n}
data:
  agent: '{"image": "quay.io/a/agent:v8", "cpu": "100m"}'
  _example: "image: quay.io/a/agent:v8"
  other: "see quay.io/a/unknown:v9. and db.n.svc:3306"
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions: [{name: v1, schema: {containers: [{image: "not/an:image"}]}}]
)";

TEST(ImageLock, ListsImagesOfPodsAndOfKnownKinds) {
  EXPECT_THAT(names(list_images(set_of(kObjects))),
              ElementsAre("mysql:8.0", "quay.io/a/b:v1", "quay.io/a/data:v4", "quay.io/a/job:v5",
                          "quay.io/a/runtime:v6", "quay.io/a/queue:v7"));
}

TEST(ImageLock, RewritesEveryPlaceToTheSitesRegistryByDigest) {
  ManifestSet set = set_of(kObjects);
  std::string images = entry("mysql:8.0", "db/mysql");
  for (const char* image :
       {"quay.io/a/b:v1", "quay.io/a/solver:v2", "quay.io/a/launcher:v3", "quay.io/a/data:v4",
        "quay.io/a/job:v5", "quay.io/a/runtime:v6", "quay.io/a/queue:v7", "quay.io/a/agent:v8"}) {
    images += "," + entry(image);
  }
  const ImageReport report = rewrite_images(set, lock_of(images), "site:5000");
  EXPECT_THAT(names(report.missing), IsEmpty());
  EXPECT_THAT(names(report.doubtful), ElementsAre("quay.io/a/unknown:v9"));
  const auto at = [&](std::size_t item, std::string_view path) {
    return text_at(set.manifests()[item].object, path);
  };
  const std::string pod = "spec.template.spec.";
  EXPECT_EQ(at(0, pod + "initContainers.0.image"), "site:5000/db/mysql@" + kDigest);
  EXPECT_EQ(at(0, pod + "containers.0.args.0"), "--solver=site:5000/quay.io/a/solver@" + kDigest);
  EXPECT_EQ(at(0, pod + "containers.0.args.1"), "--upstream=http://127.0.0.1:8080/");
  EXPECT_EQ(at(0, pod + "containers.0.env.0.value"), "site:5000/quay.io/a/launcher@" + kDigest);
  EXPECT_EQ(at(0, pod + "volumes.0.image.reference"), "site:5000/quay.io/a/data@" + kDigest);
  EXPECT_EQ(at(3, "spec.image"), "site:5000/quay.io/a/queue@" + kDigest);
  EXPECT_EQ(at(4, "data.agent"),
            R"({"image": "site:5000/quay.io/a/agent@)" + kDigest + R"(", "cpu": "100m"})");
  // Its checksum stands in an annotation, and a webhook compares them.
  EXPECT_EQ(at(4, "data._example"), "image: quay.io/a/agent:v8");
  EXPECT_THAT(base::to_string(set.manifests()[5].object), HasSubstr("not/an:image"));
}

TEST(ImageLock, SaysWhatTheLockDoesNotName) {
  ManifestSet set = set_of(kObjects);
  const ImageReport report = rewrite_images(set, lock_of(entry("mysql:8.0")), "site:5000");
  EXPECT_THAT(names(report.missing),
              ElementsAre("quay.io/a/b:v1", "quay.io/a/data:v4", "quay.io/a/job:v5",
                          "quay.io/a/runtime:v6", "quay.io/a/queue:v7"));
  EXPECT_EQ(report.missing[0].object.to_string(), "Deployment n/d");
  // Done twice it is still done, and what is pinned already misses nothing.
  EXPECT_EQ(names(rewrite_images(set, lock_of(entry("mysql:8.0")), "site:5000").missing).size(),
            report.missing.size());
}

}  // namespace
}  // namespace vk8s::addons
