#include "http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/unique_fd.h"
#include "pki/pki.h"

namespace vk8s::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

pki::KeyPair create_ca(const std::string& name) {
  pki::Subject subject;
  subject.common_name = name;
  return *pki::create_ca(subject);
}

pki::KeyPair issue_server(const pki::KeyPair& ca) {
  pki::LeafRequest request;
  request.subject.common_name = "server";
  request.ip_addresses = {"127.0.0.1"};
  request.server = true;
  return *pki::issue(ca, request);
}

pki::KeyPair issue_client(const pki::KeyPair& ca) {
  pki::LeafRequest request;
  request.subject.common_name = "vk8s-controller";
  request.client = true;
  return *pki::issue(ca, request);
}

struct Certificates {
  pki::KeyPair ca = create_ca("server-ca");
  pki::KeyPair client_ca = create_ca("client-ca");
  pki::KeyPair server = issue_server(ca);
  pki::KeyPair client = issue_client(client_ca);
  pki::KeyPair stranger = issue_client(ca);  // of a CA that the server does not trust
};

const Certificates& certificates() {
  static const Certificates all;
  return all;
}

// A blocking TLS client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, const pki::KeyPair* identity = nullptr,
                     int receive_buffer_bytes = 0) {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return;
    }
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (identity != nullptr) {
      use(*identity);
    }
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), socket_.get());
  }

  bool handshake() { return tls_ && SSL_connect(tls_.get()) == 1; }
  void send(std::string_view bytes) {
    SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  // Bytes until the text has been seen, or the connection has ended.
  std::string receive_until(std::string_view text) {
    std::string all;
    char buffer[4096];
    while (all.find(text) == std::string::npos || text.empty()) {
      const int got = SSL_read(tls_.get(), buffer, sizeof buffer);
      if (got <= 0) {
        ended_ = true;
        break;
      }
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }
  std::string receive_all() { return receive_until(""); }
  bool ended() const { return ended_; }
  void close() { socket_.reset(); }
  int fd() const { return socket_.get(); }
  std::string server_certificate_pem() {
    X509* certificate = SSL_get1_peer_certificate(tls_.get());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string pem(data, static_cast<std::size_t>(size));
    BIO_free(out);
    X509_free(certificate);
    return pem;
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* tls) const { SSL_free(tls); }
  };

  void use(const pki::KeyPair& identity) {
    BIO* text = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
    X509* certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), certificate);
    X509_free(certificate);
    BIO_free(text);
    text = BIO_new_mem_buf(identity.key_pem.data(), -1);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_.get(), key);
    EVP_PKEY_free(key);
    BIO_free(text);
  }

  UniqueFd socket_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> tls_;
  bool ended_ = false;
};

class HttpServer : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.address = "127.0.0.1";
    options_.certificate_pem = certificates().server.certificate_pem;
    options_.key_pem = certificates().server.key_pem;
    options_.client_ca_pem = certificates().client_ca.certificate_pem;
  }

  void start() {
    auto server = Server::start(
        loop_, options_,
        [this](ServerRequest request, Responder responder) {
          handle(std::move(request), std::move(responder));
        },
        Log::silent());
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }

  template <class Function>
  auto on_loop(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    loop_.post([&task] { task(); });
    return result.get();
  }

  void TearDown() override {
    if (thread_.joinable()) {
      on_loop([this] {
        stream_ = Stream();
        kept_.reset();
        server_.reset();
      });
      loop_.stop();
      thread_.join();
    }
  }

  // Waits until it is true on the loop's thread.
  template <class Condition>
  bool eventually(Condition condition) {
    std::promise<bool> result;
    Registration retry;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    std::function<void()> check = [&] {
      if (condition() || std::chrono::steady_clock::now() > deadline) {
        result.set_value(condition());
      } else {
        retry = loop_.after(2ms, check);
      }
    };
    loop_.post(check);
    const bool held = result.get_future().get();
    on_loop([&retry] { retry.cancel(); });
    return held;
  }

  void handle(ServerRequest request, Responder responder) {
    if (request.path == "/echo") {
      std::move(responder).send({.body = fmt::format("{} {} [{}] {}", request.method, request.query,
                                                     request.peer_common_name, request.body)});
    } else if (request.path == "/stream") {
      stream_ = std::move(responder).start_stream({.content_type = "application/json"});
      stream_.on_closed([this] { stream_closed_ = true; });
      stream_.on_drained([this] { ++drained_; });
    } else if (request.path == "/keep") {
      kept_.emplace(std::move(responder));
    } else if (request.path == "/bad-header") {
      std::move(responder).send({.headers = {{"X-A", "b\r\nX-B: c"}}});
    }
    // Anything else: the responder is dropped.
  }

  std::string ask(std::string_view request, const pki::KeyPair* identity = nullptr) {
    RawClient client(port_, identity);
    if (!client.handshake()) {
      return "no handshake";
    }
    client.send(request);
    return client.receive_all();
  }

  EventLoop loop_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
  Stream stream_;
  std::optional<Responder> kept_;
  bool stream_closed_ = false;
  int drained_ = 0;
};

TEST_F(HttpServer, AnswersSomebodyWithoutACertificateAsNobody) {
  start();
  const std::string answer =
      ask("POST /echo?q HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nPOST q [] hi"));
}

TEST_F(HttpServer, TellsTheVerifiedCommonName) {
  start();
  EXPECT_THAT(
      ask("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &certificates().client),
      HasSubstr("[vk8s-controller]"));
}

TEST_F(HttpServer, RefusesACertificateOfAnotherCa) {
  start();
  const std::string answer =
      ask("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &certificates().stranger);
  EXPECT_EQ(answer.find("HTTP/1.1 200"), std::string::npos) << answer;
}

TEST_F(HttpServer, ServesSeveralRequestsOfOneConnectionInOrder) {
  start();
  RawClient client(port_);
  ASSERT_TRUE(client.handshake());
  client.send(
      "GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /echo?2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.receive_until("GET 2"), HasSubstr("GET 1"));
  client.send("HEAD /echo?3 HTTP/1.1\r\nHost: a\r\n\r\nGET /echo?4 HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = client.receive_until("GET 4");
  EXPECT_EQ(answer.find("HEAD 3"), std::string::npos) << "HEAD has no body";
}

TEST_F(HttpServer, AnswersMalformedRequestsAndCloses) {
  start();
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(9000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
}

TEST_F(HttpServer, DeliversTheRefusalWhileTheClientStillSends) {
  start();
  const std::string body(60'000, 'x');
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n" + body),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServer, NeverSendsAForgedHeader) {
  start();
  const std::string answer =
      ask("GET /bad-header HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_EQ(answer.find("X-B"), std::string::npos);
}

TEST_F(HttpServer, AnswersADroppedRequestWith500) {
  start();
  EXPECT_THAT(ask("GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500"));
}

TEST_F(HttpServer, CutsASlowHandshakeASlowHeaderAndAnIdleConnection) {
  options_.request_timeout = 150ms;
  options_.idle_timeout = 150ms;
  start();
  RawClient silent(port_);  // connected, says nothing
  RawClient slow(port_);
  ASSERT_TRUE(slow.handshake());
  slow.send("GET / HTTP/1.1\r\nHo");
  RawClient idle(port_);
  ASSERT_TRUE(idle.handshake());
  idle.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(idle.receive_until("GET"), HasSubstr("200 OK"));
  EXPECT_TRUE(eventually([this] { return server_->connection_count() == 0; }));
  EXPECT_EQ(slow.receive_all(), "");
  EXPECT_EQ(idle.receive_all(), "");
}

TEST_F(HttpServer, StreamsChunksAndEndsThemInGoodOrder) {
  start();
  RawClient client(port_);
  ASSERT_TRUE(client.handshake());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.receive_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  // The header may still be in the queue, which then empties once for both.
  const int drained_before = on_loop([this] {
    EXPECT_TRUE(stream_.write("{\"a\":1}\n"));
    return drained_;
  });
  EXPECT_EQ(client.receive_until("\n\r\n"), "8\r\n{\"a\":1}\n\r\n");
  EXPECT_TRUE(eventually([&] { return drained_ > drained_before; }));
  on_loop([this] { stream_.close(); });
  EXPECT_EQ(client.receive_until("0\r\n\r\n"), "0\r\n\r\n");
  client.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.receive_until("GET"), HasSubstr("200 OK"));
  EXPECT_FALSE(on_loop([this] { return stream_closed_; }));
}

TEST_F(HttpServer, TellsAStreamThatThePeerIsGone) {
  start();
  RawClient client(port_);
  ASSERT_TRUE(client.handshake());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.receive_until("\r\n\r\n");
  client.close();
  EXPECT_TRUE(eventually([this] { return stream_closed_; }));
  EXPECT_FALSE(on_loop([this] { return stream_.write("late"); }));
}

TEST_F(HttpServer, CutsAStreamWhoseReaderStandsStill) {
  options_.max_stream_buffer_bytes = 64U << 10U;
  start();
  RawClient client(port_, nullptr, 4096);
  ASSERT_TRUE(client.handshake());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.receive_until("\r\n\r\n");
  const std::string chunk(16U << 10U, 'x');
  EXPECT_TRUE(eventually([&] { return !stream_.write(chunk); }));
  EXPECT_TRUE(eventually([this] { return stream_closed_; }));
}

TEST_F(HttpServer, CutsAWriteThatPassesItsDeadline) {
  options_.write_timeout = 100ms;
  options_.max_stream_buffer_bytes = 64U << 20U;
  start();
  RawClient client(port_, nullptr, 4096);
  ASSERT_TRUE(client.handshake());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.receive_until("\r\n\r\n");
  on_loop([this] { EXPECT_TRUE(stream_.write(std::string(32U << 20U, 'x'))); });
  EXPECT_TRUE(eventually([this] { return stream_closed_; }));
}

TEST_F(HttpServer, MakesRoomByClosingTheOldestIdleNobody) {
  options_.max_connections = 2;
  start();
  RawClient known(port_, &certificates().client);
  ASSERT_TRUE(known.handshake());
  known.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  known.receive_until("[vk8s-controller]");
  RawClient nobody(port_);
  ASSERT_TRUE(nobody.handshake());
  RawClient next(port_);
  ASSERT_TRUE(next.handshake());
  EXPECT_EQ(nobody.receive_all(), "");
  known.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(known.receive_until("[vk8s-controller]"), HasSubstr("200 OK"));
}

TEST_F(HttpServer, UsesANewCertificateForNewConnections) {
  start();
  const auto& all = certificates();
  const pki::KeyPair renewed = issue_server(all.ca);
  RawClient before(port_);
  ASSERT_TRUE(before.handshake());
  on_loop([&] {
    EXPECT_TRUE(server_->set_certificate(renewed.certificate_pem, renewed.key_pem));
    EXPECT_FALSE(server_->set_certificate(all.server.certificate_pem, renewed.key_pem));
    EXPECT_FALSE(server_->set_certificate("not PEM", "at all"));
  });
  RawClient after(port_);
  ASSERT_TRUE(after.handshake());
  EXPECT_NE(after.server_certificate_pem(), before.server_certificate_pem());
  before.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(before.receive_until("GET"), HasSubstr("200 OK"));
}

TEST_F(HttpServer, StopsAfterTheRequestBeingHandledHasItsAnswer) {
  start();
  RawClient busy(port_);
  RawClient idle(port_);
  ASSERT_TRUE(busy.handshake());
  ASSERT_TRUE(idle.handshake());
  busy.send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([this] { return kept_.has_value(); }));
  bool stopped = false;
  on_loop([&] { server_->stop([&stopped] { stopped = true; }, 10s); });
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_FALSE(on_loop([&] { return stopped; }));
  on_loop([this] { std::move(*kept_).send({.body = "done"}); });
  EXPECT_THAT(busy.receive_all(), HasSubstr("Connection: close\r\n\r\ndone"));
  busy.close();
  EXPECT_TRUE(eventually([&] { return stopped; }));
  EXPECT_FALSE(RawClient(port_).handshake());
}

TEST_F(HttpServer, CutsWhatIsLeftAfterTheGracePeriod) {
  start();
  RawClient busy(port_);
  ASSERT_TRUE(busy.handshake());
  busy.send("GET /keep HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([this] { return kept_.has_value(); }));
  bool stopped = false;
  on_loop([&] { server_->stop([&stopped] { stopped = true; }, 50ms); });
  EXPECT_TRUE(eventually([&] { return stopped; }));
}

TEST_F(HttpServer, EndsStreamsWhenItStops) {
  start();
  RawClient client(port_);
  ASSERT_TRUE(client.handshake());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.receive_until("\r\n\r\n");
  bool stopped = false;
  on_loop([&] { server_->stop([&stopped] { stopped = true; }); });
  EXPECT_THAT(client.receive_all(), HasSubstr("0\r\n\r\n"));
  client.close();
  EXPECT_TRUE(eventually([&] { return stopped; }));
  EXPECT_TRUE(on_loop([this] { return stream_closed_; }));
}

TEST_F(HttpServer, RefusesBadOptionsAndAPortInUse) {
  start();
  const auto try_start = [this](const ServerOptions& options) {
    EventLoop loop;
    const auto server = Server::start(
        loop, options, [](ServerRequest, Responder) {}, Log::silent());
    return server ? Errc::kInternal : server.error().code();
  };
  ServerOptions taken = options_;
  taken.port = port_;
  EXPECT_EQ(try_start(taken), Errc::kAlreadyExists);
  ServerOptions nowhere = options_;
  nowhere.address = "localhost";
  EXPECT_EQ(try_start(nowhere), Errc::kInvalidArgument);
  ServerOptions keyless = options_;
  keyless.key_pem = certificates().client.key_pem;
  EXPECT_EQ(try_start(keyless), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace vk8s::http
