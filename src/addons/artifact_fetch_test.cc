// Against a registry that this module's own http server plays, over loopback.
#include "addons/artifact_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "addons/digest.h"
#include "base/event_loop.h"
#include "http/server.h"
#include "pki/pki.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArtifactFetchTest : public ::testing::Test {
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
    client_ = http::Client::create(loop_, {}, Log::silent()).value();
    auto identity = std::make_shared<http::TlsIdentity>();
    identity->ca_pem = ca.certificate_pem;
    access_ = {.url = fmt::format("https://127.0.0.1:{}", server_->port()),
               .identity = identity,
               .auth = ""};
  }

  http::ServerResponse answer(const http::ServerRequest& request) {
    authorization_ = std::string(request.header("authorization"));
    const auto found = documents_.find(request.path);
    if (status_ != 200 || found == documents_.end()) {
      return {.status = status_ == 200 ? 404 : status_, .body = "words of the registry"};
    }
    return {.status = 200, .body = request.method == "HEAD" ? "" : found->second};
  }
  std::string put(const std::string& kind, const std::string& body) {
    const std::string digest = sha256_digest(body);
    documents_["/v2/vk8s/addon/" + kind + "/" + digest] = body;
    return digest;
  }
  std::string put_manifest(const std::string& layer) {
    return put(
        "manifests",
        fmt::format(
            R"({{"artifactType":"{}","layers":[{{"mediaType":"l","digest":"{}","size":{}}}]}})",
            kArtifactType, put("blobs", layer), layer.size()));
  }

  Result<std::string> fetch(const std::string& digest, ArtifactLimits limits = {}) {
    std::optional<Result<std::string>> out;
    ArtifactFetch fetch(*client_, access_, {"127.0.0.1", "vk8s/addon", digest}, limits);
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
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
  RegistryAccess access_;
  std::map<std::string, std::string> documents_;
  int status_ = 200;
  std::string authorization_;
};

TEST_F(ArtifactFetchTest, ReadsTheLayerThatTheDigestLeadsTo) {
  access_.auth = "dXNlcjpwdw==";
  const std::string manifest = put_manifest("the layer");
  EXPECT_EQ(fetch(manifest).value_or("none"), "the layer");
  EXPECT_EQ(authorization_, "Basic dXNlcjpwdw==");
  const std::string index =
      put("manifests",
          fmt::format(R"({{"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}})", manifest));
  EXPECT_EQ(fetch(index).value_or("none"), "the layer");
}

TEST_F(ArtifactFetchTest, TakesNothingThatHasAnotherDigest) {
  const std::string manifest = put_manifest("the layer");
  documents_["/v2/vk8s/addon/blobs/" + sha256_digest("the layer")] = "the Layer";
  EXPECT_THAT(error_of(manifest), HasSubstr("has not that digest"));
  documents_["/v2/vk8s/addon/manifests/" + manifest] += " ";
  EXPECT_THAT(error_of(manifest), HasSubstr("has not that digest"));
}

TEST_F(ArtifactFetchTest, FollowsNoIndexInAnIndex) {
  const std::string inner = put("manifests", R"({"manifests":[]})");
  const std::string outer =
      put("manifests",
          fmt::format(R"({{"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}})", inner));
  EXPECT_THAT(error_of(outer), HasSubstr("manifest: "));
}

TEST_F(ArtifactFetchTest, ReadsNoMoreThanItsLimits) {
  const std::string manifest = put_manifest(std::string(1000, 'x'));
  EXPECT_THAT(error_of(manifest, {.max_layer_bytes = 999}), HasSubstr("at most 999 are read"));
  EXPECT_EQ(error_of(manifest, {.max_layer_bytes = 1000}), "none");
  EXPECT_THAT(error_of(manifest, {.max_document_bytes = 10}), HasSubstr("has not that digest"));
}

TEST_F(ArtifactFetchTest, TellsWhatTheRegistryHasAgainstIt) {
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("answers 404: words of the registry"));
  status_ = 401;
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("it wants other credentials"));
  status_ = 307;
  EXPECT_THAT(error_of(sha256_digest("nothing")), HasSubstr("which is not followed"));
}

TEST_F(ArtifactFetchTest, TellsARegistryThatIsBusyFromOneThatRefuses) {
  const auto is_passing = [this](int status) {
    status_ = status;
    return fetch(sha256_digest("nothing")).error().is_retryable();
  };
  EXPECT_TRUE(is_passing(429));
  EXPECT_TRUE(is_passing(503));
  EXPECT_FALSE(is_passing(401));
  EXPECT_FALSE(is_passing(404));
}

TEST_F(ArtifactFetchTest, NamesTheImagesThatAreMissing) {
  const std::string there = put("manifests", "an image");
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
