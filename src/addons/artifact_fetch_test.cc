#include "addons/artifact_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "addons/digest.h"
#include "addons/fake_registry.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kRepository = "vk8s/addon";

class ArtifactFetchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto identity = std::make_shared<http::TlsIdentity>();
    identity->ca_pem = registry_.ca_pem();
    access_ = {.url = registry_.url(), .identity = identity, .auth = ""};
  }

  void answer_all(int status) {
    registry_.intercept = [status](const http::ServerRequest&) {
      return http::ServerResponse{.status = status, .body = "words of the registry"};
    };
  }
  Result<std::string> fetch(const std::string& digest, ArtifactLimits limits = {}) {
    std::optional<Result<std::string>> out;
    ArtifactFetch fetch(*client_, access_, {"127.0.0.1", kRepository, digest}, limits);
    fetch.start([&](Result<std::string> result) {
      out = std::move(result);
      loop_.stop();
    });
    const Registration limit = loop_.after(std::chrono::seconds(10), [this] { loop_.stop(); });
    loop_.run();
    return out ? *std::move(out) : fail(Errc::kTimeout, "no answer");
  }
  std::string error_of(const std::string& digest, ArtifactLimits limits = {}) {
    const auto result = fetch(digest, limits);
    return result ? "none" : result.error().message();
  }

  EventLoop loop_;
  testing::FakeRegistry registry_{loop_};
  std::unique_ptr<http::Client> client_ = http::Client::create(loop_, {}, Log::silent()).value();
  RegistryAccess access_;
};

TEST_F(ArtifactFetchTest, ReadsTheLayerThatTheDigestLeadsTo) {
  access_.auth = "dXNlcjpwdw==";
  const std::string manifest = registry_.put_artifact(kRepository, "the layer");
  EXPECT_EQ(fetch(manifest).value_or("none"), "the layer");
  EXPECT_EQ(registry_.seen.back().authorization, "Basic dXNlcjpwdw==");
  const std::string index = registry_.put(
      kRepository, "manifests",
      fmt::format(R"({{"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}})", manifest));
  EXPECT_EQ(fetch(index).value_or("none"), "the layer");
}

TEST_F(ArtifactFetchTest, TakesNothingThatHasAnotherDigest) {
  const std::string manifest = registry_.put_artifact(kRepository, "the layer");
  registry_.documents["/v2/vk8s/addon/blobs/" + sha256_digest("the layer")] = "the Layer";
  EXPECT_THAT(error_of(manifest), HasSubstr("has not that digest"));
  registry_.documents["/v2/vk8s/addon/manifests/" + manifest] += " ";
  EXPECT_THAT(error_of(manifest), HasSubstr("has not that digest"));
}

TEST_F(ArtifactFetchTest, FollowsNoIndexInAnIndex) {
  const std::string inner = registry_.put(kRepository, "manifests", R"({"manifests":[]})");
  const std::string outer = registry_.put(
      kRepository, "manifests",
      fmt::format(R"({{"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}})", inner));
  EXPECT_THAT(error_of(outer), HasSubstr("manifest: "));
}

TEST_F(ArtifactFetchTest, ReadsNoMoreThanItsLimits) {
  const std::string manifest = registry_.put_artifact(kRepository, std::string(1000, 'x'));
  EXPECT_THAT(error_of(manifest, {.max_layer_bytes = 999}), HasSubstr("at most 999 are read"));
  EXPECT_EQ(error_of(manifest, {.max_layer_bytes = 1000}), "none");
  EXPECT_THAT(error_of(manifest, {.max_document_bytes = 10}), HasSubstr("has not that digest"));
}

TEST_F(ArtifactFetchTest, TellsWhatTheRegistryHasAgainstIt) {
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("answers 404: words of the registry"));
  answer_all(401);
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("it wants other credentials"));
  answer_all(307);
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("no address that can be followed"));
}

TEST_F(ArtifactFetchTest, TellsARegistryThatIsBusyFromOneThatRefuses) {
  const auto is_passing = [this](int status) {
    answer_all(status);
    return fetch(sha256_digest("nothing")).error().is_retryable();
  };
  EXPECT_TRUE(is_passing(429));
  EXPECT_TRUE(is_passing(503));
  EXPECT_FALSE(is_passing(401));
  EXPECT_FALSE(is_passing(404));
}

TEST_F(ArtifactFetchTest, NamesTheImagesThatAreMissing) {
  const std::string there = registry_.put(kRepository, "manifests", "an image");
  std::optional<Result<std::vector<std::string>>> missing;
  ImageSearch search(*client_, access_, "");
  const std::string gone = sha256_digest("gone");
  search.start({{"vk8s/addon", there}, {"vk8s/addon", gone}}, [&](auto result) {
    missing = std::move(result);
    loop_.stop();
  });
  const Registration limit = loop_.after(std::chrono::seconds(10), [this] { loop_.stop(); });
  loop_.run();
  ASSERT_TRUE(missing && *missing);
  EXPECT_THAT(**missing, ElementsAre("vk8s/addon@" + gone));
}

}  // namespace
}  // namespace vk8s::addons
