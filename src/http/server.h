// A TLS HTTP/1.1 server on an EventLoop, made to face hostile peers: everything
// has a size limit and a deadline, and requests that two parsers could read
// differently are refused (RFC 9112 sections 6.1, 6.3 and 11.2).
//
// Everything here is used on the loop's thread; callbacks run there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace vk8s::http {

struct ServerOptions {
  std::string address = "0.0.0.0";  // IPv4 or IPv6 text
  std::uint16_t port = 0;           // 0 = any free one: Server::port() tells
  std::string certificate_pem;      // the server's, with its chain
  std::string key_pem;
  // Who may authenticate with a client certificate. A client without one is let
  // in as nobody (peer_common_name is ""); one with a bad one is refused.
  // "" = client certificates are not asked for.
  std::string client_ca_pem;

  std::size_t max_header_bytes = 8U << 10U;  // request line and headers
  std::size_t max_body_bytes = 64U << 10U;
  std::size_t max_connections = 256;  // beyond it, the oldest idle nobody makes room
  std::size_t max_stream_buffer_bytes = 256U << 10U;
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10);  // handshake + header; body
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);     // between requests
  std::chrono::milliseconds write_timeout = std::chrono::seconds(30);    // what is queued
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct ServerRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/status": as sent, not percent-decoded; begins with '/'
  std::string query;   // "watch=1", without the '?'
  HeaderList headers;  // names in lower case
  std::string body;
  std::string peer_common_name;  // of the verified client certificate, or ""
  std::string peer_address;      // "10.0.0.7"

  // The first header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
  // The value of a query parameter (not decoded), or "".
  std::string_view query_parameter(std::string_view name) const;
};

// Content-Length, Transfer-Encoding, Connection and Date are the server's to set.
// A header name that is no token, or a value with a control character, is never
// sent: the answer becomes a 500.
struct ServerResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};  // of a stream: its first bytes
  HeaderList headers = {};
};

namespace detail {
struct Exchange;
}

// A response whose end is not yet known, sent in chunks. Its owner's end closes
// it in good order.
class Stream {
 public:
  Stream() = default;
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  // Queues bytes. False: the peer is gone, or it reads so slowly that the buffer
  // is full and the connection has been cut; on_closed is or was called.
  bool write(std::string_view bytes);
  // Bytes queued and not yet handed to the kernel: who can drop or merge
  // messages looks here before writing more.
  std::size_t buffered_bytes() const;
  // Called each time the queue has become empty.
  void on_drained(std::function<void()> callback);
  // Called once when the peer goes away or the server stops, never after close().
  void on_closed(std::function<void()> callback);
  bool is_open() const;
  void close();

 private:
  friend class Responder;
  explicit Stream(std::shared_ptr<detail::Exchange> exchange) : exchange_(std::move(exchange)) {}
  std::shared_ptr<detail::Exchange> exchange_;
};

// The right to answer one request, now or later, once. Dropped without an
// answer, the client gets a 500. After the peer is gone answers are ignored.
class Responder {
 public:
  explicit Responder(std::shared_ptr<detail::Exchange> exchange) : exchange_(std::move(exchange)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) = delete;
  ~Responder();

  void send(ServerResponse response) &&;
  Stream start_stream(ServerResponse head) &&;

 private:
  std::shared_ptr<detail::Exchange> exchange_;
};

class Server {
 public:
  using Handler = std::function<void(ServerRequest, Responder)>;

  // Binds, listens and serves as soon as the loop runs. loop outlives the server.
  // Errors: kInvalidArgument for a bad address or PEM, kAlreadyExists for a port
  // in use, kForbidden for one this process may not bind.
  static Result<std::unique_ptr<Server>> start(EventLoop& loop, const ServerOptions& options,
                                               Handler handler, Log log);

  // Cuts every connection.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  std::size_t connection_count() const;

  // For connections from now on; on an error the present one stays.
  Status set_certificate(const std::string& certificate_pem, const std::string& key_pem);

  // Accepts nothing more, closes idle connections and streams, lets requests
  // being handled end, cuts what is left after `grace`; then calls on_stopped.
  void stop(std::function<void()> on_stopped,
            std::chrono::milliseconds grace = std::chrono::seconds(5));

 private:
  struct Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace vk8s::http
