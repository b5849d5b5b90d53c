#include "controller/registry_addon_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_registry.h"
#include "controller/manifests.h"
#include "kube/fake_client.h"

namespace vk8s::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file as it is in a ustar archive.
std::string tar_entry(const std::string& path, const std::string& content) {
  std::string header(512, '\0');
  header.replace(0, path.size(), path);
  header.replace(100, 7, "0000644");
  header.replace(124, 11, fmt::format("{:011o}", content.size()));
  header.replace(156, 1, "0");
  header.replace(257, 8, std::string("ustar\00000", 8));
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char byte : header) {
    sum += static_cast<unsigned char>(byte);
  }
  header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

class RegistryAddonSetsTest : public ::testing::Test {
 protected:
  void SetUp() override { settings_.registry_ca_pem = registry_.ca_pem(); }

  // Beside what was offered before.
  void offer(const std::string& path, const std::string& content) {
    layer_ += tar_entry(path, content);
    settings_.addons["demo"] =
        registry_.host() + "/vk8s/addon-demo@" +
        registry_.put_artifact("vk8s/addon-demo", layer_ + std::string(1024, '\0'));
  }
  // Once it has been read, or could not be.
  AddonSets::Found read() {
    sets_ = std::make_unique<RegistryAddonSets>(loop_, *client_, host_, settings_, Log::silent());
    AddonSets::Found found;
    sets_->on_change([&] {
      found = sets_->find("demo");
      loop_.stop();
    });
    EXPECT_TRUE(sets_->find("demo").exists);
    EXPECT_FALSE(sets_->find("demo").plan);
    const Registration limit = loop_.after(std::chrono::seconds(10), [this] { loop_.stop(); });
    loop_.run();
    return found;
  }

  EventLoop loop_;
  kube::FakeClient host_{loop_};
  addons::testing::FakeRegistry registry_{loop_};
  std::unique_ptr<http::Client> client_ = http::Client::create(loop_, {}, Log::silent()).value();
  std::string layer_;  // files so far
  Settings settings_;
  std::unique_ptr<RegistryAddonSets> sets_;
};

constexpr const char* kSettings =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n";

TEST_F(RegistryAddonSetsTest, ReadsASetOnceForAllWhoWantIt) {
  offer("demo/manifests.yaml", kSettings);
  const AddonSets::Found found = read();
  ASSERT_TRUE(found.plan) << found.trouble;
  EXPECT_EQ(found.plan->manifests().size(), 1U);
  EXPECT_EQ(found.plan->manifests()[0].component, "demo");
  EXPECT_EQ(sets_->find("demo").plan, found.plan);
  EXPECT_THAT(sets_->names(), ElementsAre("demo"));
  EXPECT_FALSE(sets_->find("other").exists);
  EXPECT_EQ(registry_.seen.back().authorization, "");
}

TEST_F(RegistryAddonSetsTest, ShowsTheRegistryThePullSecret) {
  offer("demo/manifests.yaml", kSettings);
  settings_.addon_pull_secret = "pull";
  const std::string config = R"({"auths":{")" + registry_.host() + R"(":{"auth":")" +
                             pki::base64_encode("reader:pw") + R"("}}})";
  host_.put(kube::resources::kSecret,
            Json{{"metadata", {{"namespace", kSystemNamespace}, {"name", "pull"}}},
                 {"data", {{".dockerconfigjson", pki::base64_encode(config)}}}});
  EXPECT_TRUE(read().plan);
  EXPECT_EQ(registry_.seen.back().authorization, "Basic " + pki::base64_encode("reader:pw"));
}

TEST_F(RegistryAddonSetsTest, GoesWithoutAPullSecretThatIsNotThere) {
  offer("demo/manifests.yaml", kSettings);
  settings_.addon_pull_secret = "pull";
  EXPECT_TRUE(read().plan);
}

TEST_F(RegistryAddonSetsTest, SaysWhyASetCannotBeRead) {
  offer("demo/manifests.yaml", "kind: [");
  EXPECT_THAT(read().trouble, HasSubstr("demo/manifests.yaml"));
  registry_.documents.clear();
  EXPECT_THAT(read().trouble, HasSubstr("the registry answers 404"));
}

TEST_F(RegistryAddonSetsTest, TellsARegistryThatIsAwayFromASetThatIsWrong) {
  offer("demo/manifests.yaml", "kind: [");
  EXPECT_FALSE(read().is_passing);
  registry_.stop();
  const AddonSets::Found found = read();
  EXPECT_NE(found.trouble, "");
  EXPECT_TRUE(found.is_passing) << found.trouble;
}

TEST_F(RegistryAddonSetsTest, NamesTheImagesThatTheRegistryLacks) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  offer("demo/manifests.yaml", kSettings);
  offer("images.lock.json",
        R"({"images":{"docker.io/x:1":{"repository":"vk8s/x","digest":")" + digest + R"("}}})");
  EXPECT_EQ(read().trouble, "images that the registry does not hold: vk8s/x@" + digest +
                                "; push them (install.sh --addon)");
  registry_.documents["/v2/vk8s/x/manifests/" + digest] = "{}";
  EXPECT_TRUE(read().plan);
}

}  // namespace
}  // namespace vk8s::controller
