// The real thing: Kubeflow's own manifests, where VK8S_KUBEFLOW_MANIFESTS names them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "addons/capacity.h"
#include "addons/image_lock.h"
#include "addons/image_reference.h"
#include "addons/labels.h"
#include "addons/login.h"
#include "addons/test_set.h"
#include "sys/file.h"

namespace vk8s::addons {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::item_of;
using testing::needs_of;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class KubeflowSetTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* path = std::getenv("VK8S_KUBEFLOW_MANIFESTS");
    if (path == nullptr) {
      return;
    }
    auto files = read_manifest_archive(path, "");
    ASSERT_TRUE(files) << files.error().message();
    auto set = ManifestSet::create(std::move(*files));
    ASSERT_TRUE(set) << set.error().message();
    plan_ = make_plan(std::make_shared<const ManifestSet>(std::move(*set)));
  }
  static void TearDownTestSuite() { plan_.reset(); }
  void SetUp() override {
    if (!plan_) {
      GTEST_SKIP() << "VK8S_KUBEFLOW_MANIFESTS is not set: it names a file with Kubeflow's "
                      "rendered manifests";
    }
  }
  static const Manifest& manifest(const std::string& kind, const std::string& name) {
    return plan_->manifests()[item_of(*plan_, kind, name)];
  }
  static std::size_t count(const std::string& kind) {
    std::size_t number = 0;
    for (const Manifest& one : plan_->manifests()) {
      number += one.id.kind == kind ? 1 : 0;
    }
    return number;
  }

  static std::shared_ptr<const Plan> plan_;
};

std::shared_ptr<const Plan> KubeflowSetTest::plan_;

TEST_F(KubeflowSetTest, IsReadWhole) {
  EXPECT_EQ(plan_->manifests().size(), 641U);
  EXPECT_EQ(count("CustomResourceDefinition"), 65U);
  EXPECT_EQ(count("ValidatingWebhookConfiguration") + count("MutatingWebhookConfiguration"), 26U);
  std::size_t largest = 0;
  for (const Manifest& one : plan_->manifests()) {
    EXPECT_NE(one.plural, "") << one.id.to_string();
    EXPECT_NE(one.component, "");
    largest = std::max(largest, base::to_string(one.object).size());
  }
  EXPECT_GT(largest, 256U << 10U);
  EXPECT_EQ(
      manifest("DecoratorController", "kubeflow-pipelines-profile-controller").id.namespace_name,
      "");
}

TEST_F(KubeflowSetTest, CertificatesComeBeforeTheServersThatMountThem) {
  EXPECT_THAT(needs_of(*plan_, "Certificate", "katib-webhook-cert"),
              Contains("ready ValidatingWebhookConfiguration cert-manager-webhook"));
  EXPECT_THAT(needs_of(*plan_, "ValidatingWebhookConfiguration", "cert-manager-webhook"),
              Contains("ready Deployment cert-manager/cert-manager-webhook"));
  EXPECT_THAT(needs_of(*plan_, "MutatingWebhookConfiguration", "katib.kubeflow.org"),
              Contains("ready Deployment kubeflow/katib-controller"));
  // Sidecars are injected into pods of this Namespace, and not into the injector's.
  EXPECT_THAT(needs_of(*plan_, "Deployment", "centraldashboard"),
              Contains("ready MutatingWebhookConfiguration istio-sidecar-injector"));
  EXPECT_THAT(needs_of(*plan_, "Deployment", "istiod"),
              Not(Contains("ready MutatingWebhookConfiguration istio-sidecar-injector")));
  EXPECT_THAT(needs_of(*plan_, "ClusterServingRuntime", "kserve-sklearnserver"),
              Contains("ready ValidatingWebhookConfiguration "
                       "clusterservingruntime.serving.kserve.io"));
}

TEST_F(KubeflowSetTest, NothingWaitsForItself) {
  // In an order that every need allows all objects are applied in the end, taken that
  // what is applied becomes ready.
  std::set<std::size_t> done;
  bool moved = true;
  while (std::exchange(moved, false)) {
    for (std::size_t i = 0; i < plan_->needs.size(); ++i) {
      const bool can =
          std::all_of(plan_->needs[i].begin(), plan_->needs[i].end(), [&](const Need& need) {
            return need.kind == Need::Kind::kEndpoints || done.contains(need.item);
          });
      moved = (can && done.insert(i).second) || moved;
    }
  }
  EXPECT_EQ(done.size(), plan_->manifests().size());
  EXPECT_THAT(plan_->dropped, IsEmpty());
}

TEST_F(KubeflowSetTest, ImagesCanBeLockedCompletely) {
  const auto images = list_images(*plan_->set);
  EXPECT_GT(images.size(), 60U);
  JsonObject locked;
  for (const ImageUse& use : images) {
    EXPECT_TRUE(ImageReference::parse(use.image)) << use.image;
    locked[use.image] = JsonObject{{"digest", "sha256:" + std::string(64, 'a')}};
  }
  const auto lock = ImageLock::parse(base::to_string(JsonObject{{"images", locked}}));
  ASSERT_TRUE(lock) << lock.error().message();
  ManifestSet copy = *plan_->set;
  const ImageReport report = rewrite_images(copy, *lock, "site.example:5000");
  EXPECT_THAT(report.missing, IsEmpty());
  for (const ImageUse& use : list_images(copy)) {
    EXPECT_TRUE(use.image.starts_with("site.example:5000/")) << use.image;
  }
  std::vector<std::string> doubtful;
  for (const ImageUse& use : report.doubtful) {
    doubtful.push_back(use.image);
  }
  EXPECT_THAT(doubtful, Contains("ghcr.io/kubeflow/kfp-launcher:2.16.0"));
  EXPECT_THAT(doubtful, Contains("quay.io/jetstack/cert-manager-acmesolver:v1.19.4"));
}

TEST_F(KubeflowSetTest, FirstUserHasAPlace) {
  auto files = read_manifest_archive(std::getenv("VK8S_KUBEFLOW_MANIFESTS"), "");
  ASSERT_TRUE(files);
  auto info = sys::read_file(std::string(VK8S_SOURCE_DIR) + "/addons/full/addon.json");
  ASSERT_TRUE(info) << info.error().message();
  files->push_back({.path = "addon.json", .content = *std::move(info)});
  auto set = ManifestSet::create(*std::move(files));
  ASSERT_TRUE(set) << set.error().message();
  const auto plan = make_plan(std::make_shared<const ManifestSet>(*std::move(set)));
  const auto own = with_login(*plan, {"kim@site.example", "$2b$12$hash", "key"});
  std::vector<std::string> changed;
  for (const auto& [item, manifest] : own->own) {
    changed.push_back(manifest.id.kind + " " + manifest.id.name);
    EXPECT_THAT(base::to_string(manifest.object), Not(HasSubstr("user@example.com")));
  }
  EXPECT_THAT(changed, UnorderedElementsAre(
                           "ConfigMap dex", "Deployment dex", "Deployment oauth2-proxy",
                           "Secret dex-oidc-client", "Secret dex-passwords",
                           "Secret oauth2-proxy-h675gf55ht", "Profile kubeflow-user-example-com"));
}

TEST_F(KubeflowSetTest, RequestsAddUp) {
  const Resources wanted = requests_of_set(*plan_->set, 1);
  EXPECT_GT(wanted.cpu_millis, 2000);
  EXPECT_GT(wanted.memory_bytes, std::int64_t{1} << 30);
  EXPECT_GE(wanted.pods, 49);
}

}  // namespace
}  // namespace vk8s::addons
