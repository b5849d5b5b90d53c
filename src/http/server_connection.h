// One connection of the server: handshake, requests one after the other, each
// with its exchange. Includes Asio: for server*.cc only.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "http/server.h"
#include "http/server_message.h"
#include "http/server_tls.h"

namespace vk8s::http::detail {

class Connection;

// One request and its answer: what Responder and Stream hold.
struct Exchange {
  std::weak_ptr<Connection> connection;
  bool is_answered = false;
  bool is_open = false;  // a stream that neither side has ended
  std::function<void()> on_drained;
  std::function<void()> on_closed;
};

// What the connections of a server share; it outlives them.
struct ConnectionEnvironment {
  EventLoop& loop;
  ServerOptions options;
  Server::Handler handler;
  Log log;
  std::function<void(Connection*)> on_end;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  Connection(std::shared_ptr<ConnectionEnvironment> environment, Socket socket,
             const TlsContext& context, std::string peer_address);

  void start();
  // Closes at once.
  void cut();
  // Closes as soon as the request being handled is answered.
  void drain();
  // Neither authenticated nor being served: may make room for another.
  bool is_evictable() const;
  Timers::TimePoint idle_since() const { return idle_since_; }

  void send(Exchange& exchange, ServerResponse response);
  void start_stream(Exchange& exchange, ServerResponse head);
  bool write(Exchange& exchange, std::string_view bytes);
  void end_stream(Exchange& exchange);
  std::size_t buffered_bytes() const { return queue_.size() + in_flight_.size(); }

 private:
  enum class Phase { kHandshake, kIdle, kReading, kHandling, kStreaming, kClosing, kClosed };

  void on_handshake(bool succeeded);
  void read();
  void on_read(bool succeeded, std::size_t size);
  void advance();
  void handle_request();
  void refuse_request();
  void enqueue(std::string bytes);
  void flush();
  void on_written(bool succeeded);
  void finish_exchange();
  void close_in_order();
  void linger();
  void set_deadline(std::chrono::milliseconds delay);
  void begin_request();

  std::shared_ptr<ConnectionEnvironment> environment_;
  boost::asio::ssl::stream<Socket> stream_;
  std::string peer_address_;
  std::string peer_common_name_;

  Phase phase_ = Phase::kHandshake;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool draining_ = false;
  Timers::TimePoint idle_since_;
  std::optional<RequestParser> parser_;
  std::shared_ptr<Exchange> exchange_;
  std::string received_;
  std::string queue_;
  std::string in_flight_;
  std::array<char, 4096> read_buffer_{};
  Registration deadline_;
  Registration write_deadline_;
};

}  // namespace vk8s::http::detail
