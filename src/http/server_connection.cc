#include "http/server_connection.h"

#include <boost/asio/write.hpp>

#include "base/text.h"

namespace vk8s::http::detail {
namespace {
using ErrorCode = boost::system::error_code;
using namespace std::chrono_literals;

// How long a closing connection may take to say goodbye.
constexpr auto kCloseTimeout = 1s;

}  // namespace

Connection::Connection(std::shared_ptr<ConnectionEnvironment> environment, Socket socket,
                       const TlsContext& context, std::string peer_address)
    : environment_(std::move(environment)),
      stream_(std::move(socket), SSL_new(context.get())),
      peer_address_(std::move(peer_address)),
      idle_since_(environment_->loop.now()) {}

void Connection::start() {
  set_deadline(environment_->options.request_timeout);
  stream_.async_handshake(
      boost::asio::ssl::stream_base::server, [self = shared_from_this()](const ErrorCode& error) {
        if (error && self->phase_ == Phase::kHandshake) {
          self->environment_->log.debug(
              "TLS handshake failed", {{"peer", self->peer_address_}, {"reason", error.message()}});
        }
        self->on_handshake(!error);
      });
}

void Connection::on_handshake(bool succeeded) {
  if (phase_ != Phase::kHandshake) {
    return;
  }
  if (!succeeded) {
    linger();
    return;
  }
  peer_common_name_ = verified_common_name(stream_.native_handle());
  // The deadline of the handshake stays: it covers the first header as well.
  phase_ = Phase::kReading;
  parser_.emplace(environment_->options.max_header_bytes, environment_->options.max_body_bytes);
  if (draining_) {
    close_in_order();
    return;
  }
  read();
}

void Connection::set_deadline(std::chrono::milliseconds delay) {
  deadline_ = environment_->loop.after(delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->cut();
    }
  });
}

bool Connection::is_evictable() const {
  return peer_common_name_.empty() && phase_ != Phase::kHandling && phase_ != Phase::kStreaming;
}

// A read is always under way, also while a request is handled: so the peer's
// going away shows.
void Connection::read() {
  stream_.async_read_some(boost::asio::buffer(read_buffer_),
                          [self = shared_from_this()](const ErrorCode& error, std::size_t size) {
                            self->on_read(!error, size);
                          });
}

void Connection::on_read(bool succeeded, std::size_t size) {
  if (phase_ == Phase::kClosing || phase_ == Phase::kClosed) {
    return;
  }
  if (!succeeded) {
    cut();
    return;
  }
  received_.append(read_buffer_.data(), size);
  if (phase_ == Phase::kHandling || phase_ == Phase::kStreaming) {
    const ServerOptions& options = environment_->options;
    if (received_.size() > options.max_header_bytes + options.max_body_bytes) {
      cut();  // it sends requests faster than it takes answers
      return;
    }
  } else {
    advance();
  }
  if (phase_ != Phase::kClosing && phase_ != Phase::kClosed) {
    read();
  }
}

void Connection::begin_request() {
  phase_ = Phase::kIdle;
  idle_since_ = environment_->loop.now();
  parser_.emplace(environment_->options.max_header_bytes, environment_->options.max_body_bytes);
  set_deadline(environment_->options.idle_timeout);
  advance();
}

void Connection::advance() {
  if (received_.empty()) {
    return;
  }
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kReading;
    set_deadline(environment_->options.request_timeout);
  }
  const bool header_was_complete = parser_->is_header_complete();
  switch (parser_->consume(received_)) {
    case RequestParser::State::kNeedsMore:
      if (!header_was_complete && parser_->is_header_complete()) {
        set_deadline(environment_->options.request_timeout);  // for the body
      }
      return;
    case RequestParser::State::kFailed:
      refuse_request();
      return;
    case RequestParser::State::kComplete:
      handle_request();
      return;
  }
}

void Connection::refuse_request() {
  environment_->log.debug("request refused",
                          {{"peer", peer_address_}, {"reason", parser_->failure()}});
  phase_ = Phase::kHandling;
  exchange_ = std::make_shared<Exchange>();
  exchange_->connection = weak_from_this();
  keep_alive_ = false;
  is_head_ = false;
  send(*exchange_, {.status = parser_->failure_status(), .body = parser_->failure() + "\n"});
}

void Connection::handle_request() {
  phase_ = Phase::kHandling;
  deadline_.cancel();
  keep_alive_ = parser_->keep_alive() && !draining_;
  ServerRequest request = parser_->take_request();
  is_head_ = request.method == "HEAD";
  request.peer_common_name = peer_common_name_;
  request.peer_address = peer_address_;
  exchange_ = std::make_shared<Exchange>();
  exchange_->connection = weak_from_this();
  environment_->handler(std::move(request), Responder(exchange_));
}

void Connection::send(Exchange& exchange, ServerResponse response) {
  if (&exchange != exchange_.get() || phase_ != Phase::kHandling || exchange.is_answered) {
    return;
  }
  exchange.is_answered = true;
  keep_alive_ = keep_alive_ && !draining_;
  auto header = serialize_header(response, Framing::kContentLength, keep_alive_);
  if (!header) {
    environment_->log.error("response not sent", {{"reason", header.error().message()}});
    response = {.status = 500, .body = "internal error\n"};
    header = serialize_header(response, Framing::kContentLength, keep_alive_);
  }
  enqueue(std::move(*header) + (is_head_ ? std::string() : std::move(response.body)));
}

void Connection::start_stream(Exchange& exchange, ServerResponse head) {
  if (&exchange != exchange_.get() || phase_ != Phase::kHandling || exchange.is_answered) {
    return;
  }
  keep_alive_ = keep_alive_ && !draining_;
  auto header = serialize_header(head, Framing::kChunked, keep_alive_);
  if (!header || is_head_ || draining_) {
    head.status = draining_ ? 503 : head.status;
    head.body.clear();
    send(exchange, std::move(head));
    return;
  }
  exchange.is_answered = true;
  exchange.is_open = true;
  phase_ = Phase::kStreaming;
  enqueue(std::move(*header) + serialize_chunk(head.body));
}

bool Connection::write(Exchange& exchange, std::string_view bytes) {
  if (&exchange != exchange_.get() || !exchange.is_open) {
    return false;
  }
  if (buffered_bytes() + bytes.size() > environment_->options.max_stream_buffer_bytes) {
    environment_->log.info("slow reader of a stream cut", {{"peer", peer_address_}});
    cut();
    return false;
  }
  enqueue(serialize_chunk(bytes));
  return phase_ == Phase::kStreaming;
}

void Connection::end_stream(Exchange& exchange) {
  if (&exchange != exchange_.get() || !exchange.is_open) {
    return;
  }
  exchange.is_open = false;
  enqueue(std::string(kLastChunk));
}

void Connection::enqueue(std::string bytes) {
  if (queue_.empty()) {
    queue_ = std::move(bytes);
  } else {
    queue_ += bytes;
  }
  flush();
}

void Connection::flush() {
  if (!in_flight_.empty() || queue_.empty()) {
    return;
  }
  in_flight_.swap(queue_);
  write_deadline_ =
      environment_->loop.after(environment_->options.write_timeout, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
          self->cut();
        }
      });
  boost::asio::async_write(stream_, boost::asio::buffer(in_flight_),
                           [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                             self->on_written(!error);
                           });
}

void Connection::on_written(bool succeeded) {
  in_flight_.clear();
  write_deadline_.cancel();
  if (phase_ == Phase::kClosed || phase_ == Phase::kClosing) {
    return;
  }
  if (!succeeded) {
    cut();
    return;
  }
  if (!queue_.empty()) {
    flush();
    return;
  }
  if (!exchange_->is_open) {
    finish_exchange();
    return;
  }
  // Called from a copy: the callback may end the stream, and so itself.
  const auto exchange = exchange_;
  const auto on_drained = exchange->on_drained;
  if (on_drained) {
    on_drained();
  }
}

void Connection::finish_exchange() {
  exchange_.reset();
  if (!keep_alive_ || draining_) {
    close_in_order();
    return;
  }
  begin_request();
}

void Connection::drain() {
  draining_ = true;
  if (phase_ == Phase::kIdle || phase_ == Phase::kReading) {
    close_in_order();
  } else if (phase_ == Phase::kStreaming && exchange_->is_open) {
    exchange_->is_open = false;
    if (exchange_->on_closed) {
      environment_->loop.post([exchange = exchange_] {
        if (exchange->on_closed) {
          exchange->on_closed();
        }
      });
    }
    enqueue(std::string(kLastChunk));
  }
}

// Says goodbye in TLS, then lingers.
void Connection::close_in_order() {
  phase_ = Phase::kClosing;
  set_deadline(kCloseTimeout);
  stream_.async_shutdown([self = shared_from_this()](const ErrorCode&) { self->linger(); });
}

// Ends our direction and discards what the peer still sends: a socket closed
// with unread bytes resets the connection, and the peer loses our last answer.
void Connection::linger() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  if (phase_ != Phase::kClosing) {
    phase_ = Phase::kClosing;
    set_deadline(kCloseTimeout);
  }
  ErrorCode ignored;
  stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
  stream_.next_layer().async_read_some(
      boost::asio::buffer(read_buffer_),
      [self = shared_from_this()](const ErrorCode& error, std::size_t) {
        if (error) {
          self->cut();
        } else {
          self->linger();
        }
      });
}

void Connection::cut() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  phase_ = Phase::kClosed;
  const auto self = shared_from_this();
  deadline_.cancel();
  write_deadline_.cancel();
  ErrorCode ignored;
  stream_.next_layer().close(ignored);
  if (exchange_ && exchange_->is_open) {
    exchange_->is_open = false;
    environment_->loop.post([exchange = exchange_] {
      if (exchange->on_closed) {
        exchange->on_closed();
      }
    });
  }
  exchange_.reset();
  environment_->on_end(this);
}

}  // namespace vk8s::http::detail

namespace vk8s::http {

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    close();
    exchange_ = std::move(other.exchange_);
  }
  return *this;
}

Stream::~Stream() { close(); }

bool Stream::is_open() const { return exchange_ && exchange_->is_open; }

bool Stream::write(std::string_view bytes) {
  const auto connection = is_open() ? exchange_->connection.lock() : nullptr;
  return connection && connection->write(*exchange_, bytes);
}

std::size_t Stream::buffered_bytes() const {
  const auto connection = is_open() ? exchange_->connection.lock() : nullptr;
  return connection ? connection->buffered_bytes() : 0;
}

void Stream::on_drained(std::function<void()> callback) {
  if (exchange_) {
    exchange_->on_drained = std::move(callback);
  }
}

void Stream::on_closed(std::function<void()> callback) {
  if (exchange_) {
    exchange_->on_closed = std::move(callback);
  }
}

void Stream::close() {
  if (!exchange_) {
    return;
  }
  const auto exchange = std::move(exchange_);
  exchange->on_drained = nullptr;
  exchange->on_closed = nullptr;
  if (const auto connection = exchange->connection.lock()) {
    connection->end_stream(*exchange);
  }
}

Responder::~Responder() {
  if (exchange_) {
    std::move(*this).send({.status = 500, .body = "internal error\n"});
  }
}

void Responder::send(ServerResponse response) && {
  const auto exchange = std::move(exchange_);
  if (const auto connection = exchange ? exchange->connection.lock() : nullptr) {
    connection->send(*exchange, std::move(response));
  }
}

Stream Responder::start_stream(ServerResponse head) && {
  auto exchange = std::move(exchange_);
  if (const auto connection = exchange ? exchange->connection.lock() : nullptr) {
    connection->start_stream(*exchange, std::move(head));
  }
  return Stream(std::move(exchange));
}

}  // namespace vk8s::http
