// Client against this module's own server, over loopback.
#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "http/server.h"
#include "pki/pki.h"

namespace vk8s::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ca_ = pki::create_ca({.common_name = "test-ca", .organizations = {}}).value();
    pki::LeafRequest leaf;
    leaf.subject.common_name = "server";
    leaf.dns_names = {"node-1.peers"};
    leaf.ip_addresses = {"127.0.0.1"};
    leaf.server = true;
    const auto server_pair = pki::issue(ca_, leaf).value();
    leaf = {};
    leaf.subject.common_name = "reader";
    leaf.client = true;
    const auto reader = pki::issue(ca_, leaf).value();
    identity_ = std::make_shared<TlsIdentity>(
        TlsIdentity{ca_.certificate_pem, reader.certificate_pem, reader.key_pem});
    auto server = Server::start(
        loop_,
        {.address = "127.0.0.1",
         .certificate_pem = server_pair.certificate_pem,
         .key_pem = server_pair.key_pem,
         .client_ca_pem = ca_.certificate_pem,
         .max_body_bytes = 4U << 20U},
        [this](ServerRequest request, Responder responder) {
          handle(std::move(request), std::move(responder));
        },
        Log::silent());
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    make_client({});
  }
  void TearDown() override {
    streams_.clear();
    held_.clear();
    client_.reset();
    server_.reset();
  }
  void make_client(ClientOptions options) {
    client_ = Client::create(loop_, std::move(options), Log::silent()).value();
  }

  void handle(ServerRequest request, Responder responder) {
    if (request.path == "/hold") {
      held_.push_back(std::move(responder));
      most_held_ = std::max(most_held_, held_.size());
      return;
    }
    if (request.path == "/stream") {
      streams_.push_back(std::move(responder).start_stream({.status = 200, .body = "first "}));
      streams_.back().on_closed([this] { ++streams_closed_; });
      return;
    }
    if (request.path == "/large") {
      std::move(responder).send({.body = std::string(100'000, 'x')});
      return;
    }
    std::move(responder).send(
        {.status = request.path == "/missing" ? 404 : 200,
         .body = request.method + " " + request.path + "?" + request.query + " " +
                 std::string(request.header("x-test")) + " " + request.body.substr(0, 100) + " " +
                 request.peer_common_name + " " + std::string(request.header("host")).substr(0, 12),
         .headers = {{"X-Answer", "42"}}});
  }

  Request request(const std::string& path) const {
    return {.url = fmt::format("https://127.0.0.1:{}{}", server_->port(), path),
            .identity = identity_,
            .timeout = seconds(10)};
  }
  // Runs the loop until condition() holds; false at the deadline.
  bool run_until(const std::function<bool()>& condition, seconds limit = seconds(10)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    Registration timer;
    std::function<void()> check = [&] {
      if (condition() || std::chrono::steady_clock::now() > deadline) {
        loop_.stop();
      } else {
        timer = loop_.after(milliseconds(1), [&check] { check(); });
      }
    };
    timer = loop_.after(milliseconds(0), [&check] { check(); });
    loop_.run();
    return condition();
  }
  Result<Response> fetch(Request wanted) {
    std::optional<Result<Response>> answer;
    const Call call = client_->send(std::move(wanted),
                                    [&](Result<Response> result) { answer = std::move(result); });
    EXPECT_TRUE(run_until([&] { return answer.has_value(); }));
    return answer ? std::move(*answer) : fail(Errc::kInternal, "no answer at all");
  }
  Errc error_of(Request wanted) {
    const auto answer = fetch(std::move(wanted));
    EXPECT_FALSE(answer);
    last_error_ = answer ? "" : answer.error().message();
    return answer ? Errc::kInternal : answer.error().code();
  }

  EventLoop loop_;
  pki::KeyPair ca_;
  std::shared_ptr<const TlsIdentity> identity_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::vector<Responder> held_;
  std::size_t most_held_ = 0;
  std::vector<Stream> streams_;
  int streams_closed_ = 0;
  std::string last_error_;
};

TEST_F(ClientTest, CarriesMethodQueryHeadersBodyAndCertificate) {
  Request wanted = request("/a/b?c=d");
  wanted.method = "PUT";
  wanted.headers = {{"X-Test", "hello"}};
  wanted.body = "body";
  const auto answer = fetch(std::move(wanted));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "PUT /a/b?c=d hello body reader 127.0.0.1:" +
                              std::to_string(server_->port()).substr(0, 2));
  EXPECT_EQ(answer->headers.at("x-answer"), "42");
}

TEST_F(ClientTest, AnyStatusIsAValue) {
  const auto answer = fetch(request("/missing"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
}

TEST_F(ClientTest, SendsALargeBody) {
  Request wanted = request("/");
  wanted.method = "POST";
  wanted.body.assign(3U << 20U, 'y');
  const auto answer = fetch(std::move(wanted));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200);
}

TEST_F(ClientTest, DialsTheAddressAndVerifiesTheName) {
  Request wanted = request("/");
  wanted.server_name = "node-1.peers";
  const auto answer = fetch(wanted);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_THAT(answer->body, HasSubstr("node-1.peers"));
  wanted.server_name = "node-2.peers";
  EXPECT_EQ(error_of(wanted), Errc::kUnauthorized) << last_error_;
}

TEST_F(ClientTest, TrustsNoOtherCa) {
  Request wanted = request("/");
  const auto other = pki::create_ca({.common_name = "other", .organizations = {}}).value();
  wanted.identity = std::make_shared<TlsIdentity>(TlsIdentity{.ca_pem = other.certificate_pem});
  EXPECT_EQ(error_of(wanted), Errc::kUnauthorized) << last_error_;
  // Also not once a connection to that server is there.
  ASSERT_TRUE(fetch(request("/")));
  EXPECT_EQ(error_of(wanted), Errc::kUnauthorized) << last_error_;
}

TEST_F(ClientTest, NeverSharesAConnectionBetweenIdentities) {
  ASSERT_TRUE(fetch(request("/")));
  Request nobody = request("/");
  nobody.identity = std::make_shared<TlsIdentity>(TlsIdentity{.ca_pem = ca_.certificate_pem});
  const auto answer = fetch(nobody);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body.find("reader"), std::string::npos);
}

TEST_F(ClientTest, RefusesUnsafeRequests) {
  Request plain = request("/");
  plain.url = "http://10.0.0.1/";
  EXPECT_EQ(error_of(plain), Errc::kInvalidArgument) << last_error_;
  Request anonymous = request("/");
  anonymous.identity = nullptr;
  EXPECT_EQ(error_of(anonymous), Errc::kInvalidArgument) << last_error_;
  Request credentials = request("/");
  credentials.url = "https://user:secret@127.0.0.1/";
  EXPECT_EQ(error_of(credentials), Errc::kInvalidArgument) << last_error_;
  Request injected = request("/");
  injected.headers = {{"X-Test", "a\r\nX-Other: b"}};
  EXPECT_EQ(error_of(injected), Errc::kInvalidArgument) << last_error_;
  Request file = request("/");
  file.url = "file:///etc/passwd";
  EXPECT_EQ(error_of(file), Errc::kInvalidArgument) << last_error_;
  Request space = request("/a b");
  EXPECT_EQ(error_of(space), Errc::kInvalidArgument) << last_error_;
}

TEST_F(ClientTest, LooksAtNoProxyOfTheEnvironment) {
  ::setenv("https_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  EXPECT_TRUE(fetch(request("/")));
  ::unsetenv("https_proxy");
  ::unsetenv("ALL_PROXY");
}

TEST_F(ClientTest, LimitsTheBody) {
  Request wanted = request("/large");
  wanted.max_body_bytes = 99'999;
  EXPECT_EQ(error_of(wanted), Errc::kTooLarge) << last_error_;
  wanted.max_body_bytes = 100'000;
  EXPECT_TRUE(fetch(wanted));
}

TEST_F(ClientTest, TimesOut) {
  Request wanted = request("/hold");
  wanted.timeout = milliseconds(100);
  EXPECT_EQ(error_of(wanted), Errc::kTimeout) << last_error_;
}

TEST_F(ClientTest, ARefusedConnectionIsUnavailable) {
  Request wanted = request("/");
  wanted.url = "https://127.0.0.1:1/";
  EXPECT_EQ(error_of(wanted), Errc::kUnavailable) << last_error_;
  EXPECT_THAT(last_error_, HasSubstr("GET https://127.0.0.1:1/"));
}

TEST_F(ClientTest, ADroppedCallIsSilentAndEndsTheRequest) {
  bool called = false;
  Call call =
      client_->stream(request("/stream"), {.on_response = {},
                                           .on_data = [](std::string_view) {},
                                           .on_done = [&](const Status&) { called = true; }});
  ASSERT_TRUE(run_until([&] { return !streams_.empty(); }));
  call.cancel();
  EXPECT_TRUE(run_until([&] { return streams_closed_ == 1; }));
  EXPECT_FALSE(called);
}

TEST_F(ClientTest, StreamsUntilTheServerEndsIt) {
  std::string bytes;
  int status = 0;
  std::optional<Status> done;
  const Call call = client_->stream(request("/stream"),
                                    {.on_response = [&](const Response& r) { status = r.status; },
                                     .on_data = [&](std::string_view data) { bytes += data; },
                                     .on_done = [&](Status s) { done = std::move(s); }});
  ASSERT_TRUE(run_until([&] { return bytes == "first "; }));
  EXPECT_EQ(status, 200);
  streams_.front().write("second");
  ASSERT_TRUE(run_until([&] { return bytes == "first second"; }));
  EXPECT_FALSE(done);
  streams_.clear();
  ASSERT_TRUE(run_until([&] { return done.has_value(); }));
  EXPECT_TRUE(*done);
}

TEST_F(ClientTest, AStreamThatIsCutIsUnavailable) {
  std::optional<Status> done;
  const Call call =
      client_->stream(request("/stream"), {.on_response = {},
                                           .on_data = [](std::string_view) {},
                                           .on_done = [&](Status s) { done = std::move(s); }});
  ASSERT_TRUE(run_until([&] { return !streams_.empty(); }));
  client_->drop_connections();
  ASSERT_TRUE(run_until([&] { return done.has_value(); }));
  ASSERT_FALSE(*done);
  EXPECT_EQ(done->error().code(), Errc::kUnavailable) << done->error().message();
  EXPECT_TRUE(fetch(request("/")));
}

TEST_F(ClientTest, ACallbackMayDropItsOwnCallAndBeginAnother) {
  int answers = 0;
  Call call;
  std::function<void()> again = [&] {
    call = client_->send(request("/"), [&](const Result<Response>& answer) {
      EXPECT_TRUE(answer);
      call.cancel();
      if (++answers < 5) {
        again();
      }
    });
  };
  again();
  EXPECT_TRUE(run_until([&] { return answers == 5; }));
}

TEST_F(ClientTest, ACallbackMayEndTheClient) {
  const Call first = client_->send(request("/"), [&](const auto&) { client_.reset(); });
  bool called = false;
  const Call second = client_->send(request("/hold"), [&](const auto&) { called = true; });
  EXPECT_TRUE(run_until([&] { return !client_; }));
  EXPECT_FALSE(called);
}

TEST_F(ClientTest, WaitsInOrderBeyondTheLimitOfRequestsInFlight) {
  make_client({.max_requests_in_flight = 3});
  std::vector<int> order;
  std::vector<Call> calls;
  for (int i = 0; i < 10; ++i) {
    calls.push_back(client_->send(request("/hold"), [&order, i](const Result<Response>& answer) {
      EXPECT_TRUE(answer) << answer.error().message();
      order.push_back(i);
    }));
  }
  calls[5].cancel();  // it waits
  ASSERT_TRUE(run_until([&] { return held_.size() == 3; }));
  calls[0].cancel();  // it is in flight
  while (order.size() < 8) {
    ASSERT_TRUE(run_until([&] { return !held_.empty() || order.size() == 8; }));
    auto held = std::exchange(held_, {});
    for (Responder& responder : held) {
      std::move(responder).send({.body = "x"});
    }
  }
  EXPECT_LE(most_held_, 4U);  // the server may notice the cancelled one late
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 6, 7, 8, 9}));
}

}  // namespace
}  // namespace vk8s::http
