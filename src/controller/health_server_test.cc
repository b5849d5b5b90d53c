#include "controller/health_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>

#include "base/unique_fd.h"
#include "controller/metrics.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

// Anybody: verifies nothing, shows no certificate, sends exactly what it is told to.
class Stranger {
 public:
  explicit Stranger(std::uint16_t port)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), socket_.get());
  }

  bool handshake() { return connected_ && SSL_connect(tls_.get()) == 1; }
  void send(std::string_view bytes) {
    SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  // Until the server closes.
  std::string receive_all() {
    std::string all;
    char buffer[4096];
    for (int got = 0; (got = SSL_read(tls_.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  UniqueFd socket_;
  bool connected_ = false;
  std::unique_ptr<SSL_CTX, Free> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Free> tls_;
};

class HealthServer : public testing::Test {
 protected:
  ~HealthServer() override {
    loop_.run([this] { server_.reset(); });
  }

  void start(const http::ServerOptions& limits = {}) {
    auto server = loop_.run([&] {
      return start_health_server(
          loop_.loop(), "127.0.0.1:0",
          {[this] { return is_ready_.load(); }, [this] { return metrics_.text(); }}, Log::silent(),
          limits);
    });
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    port_ = loop_.run([this] { return server_->port(); });
  }

  std::string ask(std::string_view request) const {
    Stranger client(port_);
    if (!client.handshake()) {
      return "no handshake";
    }
    client.send(request);
    return client.receive_all();
  }
  std::string get(std::string_view path) const {
    return ask(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path));
  }

  kube::testing::LoopThread loop_;
  std::atomic<bool> is_ready_{false};
  Metrics metrics_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HealthServer, AnswersProbesThatShowNoCertificate) {
  start();
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(get("/readyz"), HasSubstr("the caches are being filled"));
  is_ready_ = true;
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get("/readyz?verbose"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HealthServer, TellsItsMetricsInPrometheusText) {
  metrics_.count_reconcile(true, 2ms);
  metrics_.count_reconcile(true, 20s);
  metrics_.count_reconcile(false, 2ms);
  metrics_.set_leader(true);
  metrics_.watch_queue_depth([] { return 7.0; });
  metrics_.watch_clusters([] { return std::map<std::string, double>{{"Running", 3}}; });
  metrics_.watch_addons([] { return std::map<std::string, double>{{"Failed", 2}}; });
  start();
  const std::string answer = get("/metrics");
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  for (const char* line :
       {"\n# TYPE vk8s_reconciles_total counter\n", "vk8s_reconciles_total{result=\"success\"} 2\n",
        "vk8s_reconciles_total{result=\"error\"} 1\n",
        "vk8s_reconcile_duration_seconds_bucket{le=\"0.005\"} 2\n",
        "vk8s_reconcile_duration_seconds_bucket{le=\"+Inf\"} 3\n",
        "vk8s_clusters{phase=\"Running\"} 3\n", "vk8s_clusters{phase=\"Fail\"} 0\n",
        "vk8s_addons{phase=\"Failed\"} 2\n", "vk8s_addons{phase=\"Ready\"} 0\n",
        "\nvk8s_queue_depth 7\n", "\nvk8s_leader 1\n"}) {
    EXPECT_THAT(answer, HasSubstr(line));
  }
}

TEST_F(HealthServer, HasNothingElseToReadAndNothingToChange) {
  start();
  for (const char* path : {"/", "/debug/pprof", "/metrics/", "/healthz/etcd", "/../healthz"}) {
    EXPECT_THAT(get(path), StartsWith("HTTP/1.1 404")) << path;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    EXPECT_THAT(ask(fmt::format("{} /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                                "Connection: close\r\n\r\n",
                                method)),
                StartsWith("HTTP/1.1 405"))
        << method;
  }
}

TEST_F(HealthServer, RefusesWhatIsMalformedOrTooLarge) {
  start();
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(get("/healthz\x01"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                  "Content-Length: 4\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: a\r\nA: " + std::string(9000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HealthServer, CutsWhoIsSlow) {
  start({.request_timeout = 100ms, .idle_timeout = 100ms});
  Stranger silent(port_);
  Stranger slow(port_);
  ASSERT_TRUE(slow.handshake());
  slow.send("GET /metrics HTTP/1.1\r\nHo");
  EXPECT_TRUE(loop_.wait_until([this] { return server_->connection_count() == 0; }, 10s));
  EXPECT_EQ(slow.receive_all(), "");
}

TEST_F(HealthServer, AnswersProbesThoughStrangersHoldEveryConnection) {
  start({.max_connections = 4});
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (int i = 0; i < 8; ++i) {
    strangers.push_back(std::make_unique<Stranger>(port_));
    strangers.back()->handshake();
  }
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_LE(loop_.run([this] { return server_->connection_count(); }), 4U);
}

TEST_F(HealthServer, RefusesAddressesThatAreNone) {
  for (const char* address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:1x",
                              "127.0.0.1:99999", "[::1]", "localhost:0", "127.0.0.1:-1"}) {
    const auto server = loop_.run(
        [&] { return start_health_server(loop_.loop(), address, {}, Log::silent()).has_value(); });
    EXPECT_FALSE(server) << address;
  }
}

}  // namespace
}  // namespace vk8s::controller
