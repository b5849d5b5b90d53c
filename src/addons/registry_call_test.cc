#include "addons/registry_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_registry.h"

namespace vk8s::addons {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kPath = "vk8s/addon/blobs/x";
constexpr const char* kAuth = "cmVhZGVyOnB3";

class RegistryCallTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto identity = std::make_shared<http::TlsIdentity>();
    identity->ca_pem = registry_.ca_pem();
    access_ = {.url = registry_.url(), .identity = identity, .auth = kAuth};
    registry_.documents["/v2/" + std::string(kPath)] = "the blob";
  }

  // The registry wants a token that other_ gives.
  void want_token() {
    registry_.intercept =
        [this](const http::ServerRequest& request) -> std::optional<http::ServerResponse> {
      if (request.header("authorization") == "Bearer abc") {
        return std::nullopt;
      }
      return http::ServerResponse{
          .status = 401,
          .body = "",
          .headers = {
              {"WWW-Authenticate",
               fmt::format(R"(Bearer realm="{}/token",service="s",scope="repository:a:pull")",
                           other_.url())}}};
    };
    other_.documents["/token"] = R"({"token":"abc"})";
  }
  void send_on(const std::string& location) {
    registry_.intercept =
        [location](const http::ServerRequest& request) -> std::optional<http::ServerResponse> {
      if (request.path == "/elsewhere") {
        return std::nullopt;
      }
      return http::ServerResponse{.status = 307, .body = "", .headers = {{"Location", location}}};
    };
  }

  Result<http::Response> ask(const std::string& method = "GET") {
    std::optional<Result<http::Response>> out;
    RegistryCall call(*client_, access_,
                      {.method = method, .path = kPath, .accept = "a/b", .max_body_bytes = 100});
    call.start([&](Result<http::Response> response) {
      out = std::move(response);
      loop_.stop();
    });
    const Registration limit = loop_.after(std::chrono::seconds(10), [this] { loop_.stop(); });
    loop_.run();
    return out ? *std::move(out) : fail(Errc::kTimeout, "no answer");
  }
  std::string body() {
    const auto response = ask();
    return response ? fmt::format("{} {}", response->status, response->body)
                    : response.error().message();
  }

  EventLoop loop_;
  pki::KeyPair ca_ = testing::make_registry_ca();
  testing::FakeRegistry registry_{loop_, ca_};
  testing::FakeRegistry other_{loop_, ca_};
  std::unique_ptr<http::Client> client_ = http::Client::create(loop_, {}, Log::silent()).value();
  RegistryAccess access_;
};

TEST_F(RegistryCallTest, AsksWithNameAndPasswordFirst) {
  EXPECT_EQ(body(), "200 the blob");
  ASSERT_THAT(registry_.seen, SizeIs(1));
  EXPECT_EQ(registry_.seen[0].authorization, std::string("Basic ") + kAuth);
}

TEST_F(RegistryCallTest, GetsTheTokenThatTheRegistryWants) {
  want_token();
  EXPECT_EQ(body(), "200 the blob");
  ASSERT_THAT(other_.seen, SizeIs(1));
  EXPECT_EQ(other_.seen[0].query, "service=s&scope=repository:a:pull");
  EXPECT_EQ(other_.seen[0].authorization, std::string("Basic ") + kAuth);
  ASSERT_THAT(registry_.seen, SizeIs(2));
  EXPECT_EQ(ask("HEAD").value().status, 200);
}

TEST_F(RegistryCallTest, GetsATokenAsNobodyWhereItHasNoCredentials) {
  want_token();
  access_.auth = "";
  EXPECT_EQ(body(), "200 the blob");
  EXPECT_EQ(other_.seen.at(0).authorization, "");
}

TEST_F(RegistryCallTest, AsksForATokenOnce) {
  want_token();
  other_.documents["/token"] = R"({"token":"expired"})";
  EXPECT_EQ(ask().value().status, 401);
  EXPECT_THAT(other_.seen, SizeIs(1));
}

TEST_F(RegistryCallTest, SaysWhoGivesNoToken) {
  want_token();
  other_.intercept = [](const http::ServerRequest&) { return http::ServerResponse{.status = 403}; };
  EXPECT_THAT(body(), AllOf(HasSubstr("get a token from " + other_.url() + ": it answers 403"),
                            HasSubstr("pull Secret"), Not(HasSubstr(kAuth))));
  EXPECT_FALSE(ask().error().is_retryable());
  other_.intercept = [](const http::ServerRequest&) { return http::ServerResponse{.status = 503}; };
  EXPECT_TRUE(ask().error().is_retryable());
  other_.intercept = nullptr;
  other_.documents["/token"] = "<html>";
  EXPECT_THAT(body(), HasSubstr("get a token from " + other_.url()));
  other_.stop();
  EXPECT_TRUE(ask().error().is_retryable());
}

TEST_F(RegistryCallTest, FollowsToOthersWithoutItsCredentials) {
  send_on(other_.url() + "/bucket?signature=secret");
  other_.documents["/bucket"] = "the blob elsewhere";
  EXPECT_EQ(body(), "200 the blob elsewhere");
  ASSERT_THAT(other_.seen, SizeIs(1));
  EXPECT_EQ(other_.seen[0].authorization, "");
  EXPECT_EQ(other_.seen[0].query, "signature=secret");
  // What is wanted there is not the registry's token.
  other_.intercept = [this](const http::ServerRequest&) {
    return http::ServerResponse{
        .status = 401,
        .headers = {{"WWW-Authenticate", "Bearer realm=\"" + other_.url() + "/token\""}}};
  };
  EXPECT_EQ(ask().value().status, 401);
  EXPECT_THAT(other_.seen, SizeIs(2));
}

TEST_F(RegistryCallTest, KeepsThemWhereItStaysWithTheRegistry) {
  send_on("/elsewhere");
  registry_.documents["/elsewhere"] = "the blob";
  EXPECT_EQ(body(), "200 the blob");
  EXPECT_EQ(registry_.seen.back().authorization, std::string("Basic ") + kAuth);
}

TEST_F(RegistryCallTest, DoesNotFollowForEver) {
  send_on("/again");
  EXPECT_EQ(ask().value().status, 307);
  EXPECT_THAT(registry_.seen, SizeIs(4));
}

TEST_F(RegistryCallTest, FollowsToNobodyWhoseCertificateIsNotTrusted) {
  testing::FakeRegistry stranger(loop_);
  send_on(stranger.url() + "/bucket?signature=secret");
  EXPECT_THAT(body(), AllOf(HasSubstr("sent on to " + stranger.url()), Not(HasSubstr("secret"))));
  EXPECT_THAT(stranger.seen, IsEmpty());
  // Nor without TLS, but on loopback.
  send_on("http://198.18.0.1/bucket");
  EXPECT_THAT(body(), HasSubstr("sent on to http://198.18.0.1"));
}

}  // namespace
}  // namespace vk8s::addons
