#include "http/server.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <map>

#include "http/server_connection.h"

namespace vk8s::http {
namespace {
using boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using namespace std::chrono_literals;

void close_on_exec(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

// A peer whose machine is gone shows in about a minute, also on a silent stream.
void tune(tcp::socket& socket) {
  close_on_exec(socket.native_handle());
  const auto set = [&](int level, int name, int value) {
    ::setsockopt(socket.native_handle(), level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

Status listen(tcp::acceptor& acceptor, const ServerOptions& options) {
  ErrorCode error;
  const auto address = boost::asio::ip::make_address(options.address, error);
  if (error) {
    return fail(Errc::kInvalidArgument, "\"{}\" is no IP address", options.address);
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    close_on_exec(acceptor.native_handle());
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  }
  if (error.value() == EADDRINUSE) {
    return fail(Errc::kAlreadyExists,
                "listen on {}:{}: another process does; stop it or choose another port",
                options.address, options.port);
  }
  if (error) {
    return fail_errno(error.value(), "listen on {}:{}", options.address, options.port);
  }
  return {};
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(EventLoop& event_loop, Log log)
      : loop(event_loop), acceptor(event_loop.context()), log_(std::move(log)) {}

  void accept();
  void admit(tcp::socket socket);
  bool make_room();
  void on_connection_end(detail::Connection* connection);
  void cut_all();
  void check_stopped();

  EventLoop& loop;
  tcp::acceptor acceptor;
  Log log_;
  std::shared_ptr<detail::ConnectionEnvironment> environment;
  detail::TlsContext tls;
  std::map<detail::Connection*, std::shared_ptr<detail::Connection>> connections;
  Registration accept_retry;
  Registration stop_deadline;
  std::function<void()> on_stopped;
  std::uint16_t port = 0;
};

void Server::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, tcp::socket socket) {
    if (!self->acceptor.is_open()) {
      return;
    }
    if (!error) {
      self->admit(std::move(socket));
    } else if (error != boost::asio::error::connection_aborted) {
      // Out of descriptors or memory: some will be free soon.
      self->log_.warning("connection not accepted", {{"reason", error.message()}});
      self->accept_retry = self->loop.after(100ms, [impl = self.get()] { impl->accept(); });
      return;
    }
    self->accept();
  });
}

bool Server::Impl::make_room() {
  if (connections.size() < environment->options.max_connections) {
    return true;
  }
  detail::Connection* oldest = nullptr;
  for (const auto& [connection, owner] : connections) {
    if (connection->is_evictable() &&
        (oldest == nullptr || connection->idle_since() < oldest->idle_since())) {
      oldest = connection;
    }
  }
  if (oldest != nullptr) {
    oldest->cut();
  }
  return oldest != nullptr;
}

void Server::Impl::admit(tcp::socket socket) {
  ErrorCode error;
  const auto peer = socket.remote_endpoint(error);
  if (error) {
    return;  // gone already
  }
  if (!make_room()) {
    log_.warning("connection refused: too many", {{"peer", peer.address().to_string()}});
    return;
  }
  tune(socket);
  auto connection = std::make_shared<detail::Connection>(environment, std::move(socket), tls,
                                                         peer.address().to_string());
  connections.emplace(connection.get(), connection);
  connection->start();
}

void Server::Impl::on_connection_end(detail::Connection* connection) {
  connections.erase(connection);
  check_stopped();
}

void Server::Impl::cut_all() {
  while (!connections.empty()) {
    const auto connection = connections.begin()->second;
    connection->cut();
  }
}

void Server::Impl::check_stopped() {
  if (on_stopped && connections.empty()) {
    stop_deadline.cancel();
    loop.post(std::exchange(on_stopped, nullptr));
  }
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(EventLoop& loop, const ServerOptions& options,
                                              Handler handler, Log log) {
  auto impl = std::make_shared<Impl>(loop, log);
  impl->tls = VK8S_TRY(detail::create_server_context(options.certificate_pem, options.key_pem,
                                                     options.client_ca_pem));
  VK8S_TRY(listen(impl->acceptor, options));
  impl->port = impl->acceptor.local_endpoint().port();
  impl->environment = std::make_shared<detail::ConnectionEnvironment>(detail::ConnectionEnvironment{
      .loop = loop,
      .options = options,
      .handler = std::move(handler),
      .log = std::move(log),
      .on_end = [weak = std::weak_ptr<Impl>(impl)](detail::Connection* connection) {
        if (const auto alive = weak.lock()) {
          alive->on_connection_end(connection);
        }
      }});
  impl->environment->options.key_pem.clear();
  impl->accept();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() {
  impl_->on_stopped = nullptr;
  impl_->stop_deadline.cancel();
  impl_->accept_retry.cancel();
  ErrorCode ignored;
  impl_->acceptor.close(ignored);
  impl_->cut_all();
}

std::uint16_t Server::port() const { return impl_->port; }
std::size_t Server::connection_count() const { return impl_->connections.size(); }

Status Server::set_certificate(const std::string& certificate_pem, const std::string& key_pem) {
  impl_->tls = VK8S_TRY(detail::create_server_context(certificate_pem, key_pem,
                                                      impl_->environment->options.client_ca_pem));
  return {};
}

void Server::stop(std::function<void()> on_stopped, std::chrono::milliseconds grace) {
  impl_->on_stopped = std::move(on_stopped);
  impl_->accept_retry.cancel();
  ErrorCode ignored;
  impl_->acceptor.close(ignored);
  impl_->stop_deadline = impl_->loop.after(grace, [impl = impl_.get()] { impl->cut_all(); });
  const auto connections = impl_->connections;
  for (const auto& [connection, owner] : connections) {
    connection->drain();
  }
  impl_->check_stopped();
}

}  // namespace vk8s::http
