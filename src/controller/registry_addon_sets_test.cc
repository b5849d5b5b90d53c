// Against a registry that the http module's own server plays, over loopback.
#include "controller/registry_addon_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/digest.h"
#include "controller/manifests.h"
#include "http/server.h"
#include "kube/fake_client.h"
#include "pki/pki.h"

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
  void SetUp() override {
    const auto ca = pki::create_ca({.common_name = "test-ca", .organizations = {}}).value();
    pki::LeafRequest leaf;
    leaf.subject.common_name = "registry";
    leaf.ip_addresses = {"127.0.0.1"};
    leaf.server = true;
    const auto pair = pki::issue(ca, leaf).value();
    auto server = http::Server::start(
        loop_,
        {.address = "127.0.0.1", .certificate_pem = pair.certificate_pem, .key_pem = pair.key_pem},
        [this](const http::ServerRequest& request, http::Responder responder) {
          std::move(responder).send(answer(request));
        },
        Log::silent());
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    registry_ = fmt::format("127.0.0.1:{}", server_->port());
    client_ = http::Client::create(loop_, {}, Log::silent()).value();
    settings_.registry_ca_pem = ca.certificate_pem;
  }

  http::ServerResponse answer(const http::ServerRequest& request) {
    authorization_ = std::string(request.header("authorization"));
    const auto found = documents_.find(request.path);
    if (found == documents_.end()) {
      return {.status = 404, .body = "nothing"};
    }
    return {.status = 200, .body = request.method == "HEAD" ? "" : found->second};
  }
  std::string put(const std::string& kind, const std::string& body) {
    const std::string digest = addons::sha256_digest(body);
    documents_["/v2/vk8s/addon-demo/" + kind + "/" + digest] = body;
    return digest;
  }
  // Beside what was offered before.
  void offer(const std::string& path, const std::string& content) {
    layer_ += tar_entry(path, content);
    const std::string layer = layer_ + std::string(1024, '\0');
    const std::string digest =
        put("manifests",
            fmt::format(
                R"({{"artifactType":"{}","layers":[{{"mediaType":"l","digest":"{}","size":{}}}]}})",
                addons::kArtifactType, put("blobs", layer), layer.size()));
    settings_.addons["demo"] = registry_ + "/vk8s/addon-demo@" + digest;
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
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
  std::map<std::string, std::string> documents_;
  std::string registry_;
  std::string layer_;  // files so far
  std::string authorization_;
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
  EXPECT_EQ(authorization_, "");
}

TEST_F(RegistryAddonSetsTest, ShowsTheRegistryThePullSecret) {
  offer("demo/manifests.yaml", kSettings);
  settings_.addon_pull_secret = "pull";
  const std::string config =
      R"({"auths":{")" + registry_ + R"(":{"auth":")" + pki::base64_encode("reader:pw") + R"("}}})";
  host_.put(kube::resources::kSecret,
            Json{{"metadata", {{"namespace", kSystemNamespace}, {"name", "pull"}}},
                 {"data", {{".dockerconfigjson", pki::base64_encode(config)}}}});
  EXPECT_TRUE(read().plan);
  EXPECT_EQ(authorization_, "Basic " + pki::base64_encode("reader:pw"));
}

TEST_F(RegistryAddonSetsTest, GoesWithoutAPullSecretThatIsNotThere) {
  offer("demo/manifests.yaml", kSettings);
  settings_.addon_pull_secret = "pull";
  EXPECT_TRUE(read().plan);
}

TEST_F(RegistryAddonSetsTest, SaysWhyASetCannotBeRead) {
  offer("demo/manifests.yaml", "kind: [");
  EXPECT_THAT(read().trouble, HasSubstr("demo/manifests.yaml"));
  documents_.clear();
  EXPECT_THAT(read().trouble, HasSubstr("the registry answers 404"));
}

TEST_F(RegistryAddonSetsTest, TellsARegistryThatIsAwayFromASetThatIsWrong) {
  offer("demo/manifests.yaml", "kind: [");
  EXPECT_FALSE(read().is_passing);
  server_.reset();
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
  documents_["/v2/vk8s/x/manifests/" + digest] = "{}";
  EXPECT_TRUE(read().plan);
}

}  // namespace
}  // namespace vk8s::controller
