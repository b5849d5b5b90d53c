// An asynchronous HTTPS client on an EventLoop (libcurl multi).
//
// HTTP/2 where the server speaks it: all requests to one server with one
// identity share one connection. TLS is always verified against the identity's
// CA and nothing else; plain http is accepted for a loopback address only. No
// redirect is followed, no proxy and no file of the user's is looked at.
//
// One thread: everything is called on the loop's thread (or before it runs), and
// callbacks run there, never from inside send() or stream(). A callback may
// start and drop calls, its own included. Loop outlives client; calls still
// running when the client ends are dropped silently.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace vk8s::http {

// Ownership of one request: its end cancels it (the stream is reset), after
// which none of its callbacks runs.
class [[nodiscard]] Call {
 public:
  Call() = default;
  explicit Call(std::shared_ptr<void> state) : state_(std::move(state)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&&) noexcept = default;
  void cancel() { state_.reset(); }
  explicit operator bool() const { return state_ != nullptr; }

 private:
  std::shared_ptr<void> state_;
};

// Whom to trust and who one is, as PEM in memory.
struct TlsIdentity {
  std::string ca_pem;                  // required for https
  std::string client_certificate_pem;  // both or none
  std::string client_key_pem;
};

struct ClientOptions {
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);  // with TLS handshake
  // A peer that acknowledges nothing for so long is dead, also when the
  // connection is idle (TCP keep-alive and TCP_USER_TIMEOUT).
  std::chrono::seconds dead_peer_timeout{30};
  long max_idle_connections = 32;
  // Requests to one server at a time (streams are not counted); further ones wait
  // in order, and their timeouts begin when they are sent.
  int max_requests_in_flight = 32;
  std::string user_agent = "vk8s";
};

struct Request {
  std::string method = "GET";
  std::string url;  // "https://198.18.0.10:6443/version"
  std::shared_ptr<const TlsIdentity> identity;
  // Verify (and send as SNI and Host) this name, while the URL's host is dialled.
  std::string server_name;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);  // the whole call; 0 = none
  std::size_t max_body_bytes = 64U << 20U;  // of the response, where it is collected
};

using Headers = std::map<std::string, std::string>;  // names in lower case

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

struct StreamHandlers {
  // The status line and headers, before any data. May be empty.
  std::function<void(const Response&)> on_response;
  // Bytes as they come, any length.
  std::function<void(std::string_view)> on_data;
  // Once, last: a value if the response ended in good order.
  std::function<void(Status)> on_done;
};

// Errors: kInvalidArgument (the request itself), kUnavailable (connect, reset,
// no answer), kTimeout, kUnauthorized (the server's certificate is not trusted or
// for another name), kTooLarge. Any HTTP status is a value.
class Client {
 public:
  static Result<std::unique_ptr<Client>> create(EventLoop& loop, ClientOptions options, Log log);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Collects the whole response.
  Call send(Request request, std::function<void(Result<Response>)> callback);
  // Hands it on as it arrives; max_body_bytes does not apply.
  Call stream(Request request, StreamHandlers handlers);

  // Cuts every connection: running calls end with kUnavailable, later ones dial
  // anew. For a peer whose kernel answers and whose program does not.
  void drop_connections();

 private:
  class Engine;
  explicit Client(std::shared_ptr<Engine> engine);
  std::shared_ptr<Engine> engine_;
};

}  // namespace vk8s::http
