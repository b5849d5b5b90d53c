#include "http/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>
#include <deque>
#include <set>

#include "http/client_transfer.h"

namespace vk8s::http {
namespace {

constexpr std::uint32_t kSilentMilliseconds = 3000;

}  // namespace

// libcurl's multi handle on the event loop. libcurl's callbacks only take note;
// owners are told in deliver(), outside of libcurl, so that they may start and
// drop calls (libcurl refuses to be entered twice).
class Client::Engine : public std::enable_shared_from_this<Client::Engine> {
 public:
  Engine(EventLoop& loop, ClientOptions options, Log log)
      : loop_(loop), options_(std::move(options)), log_(std::move(log)) {}
  ~Engine() { close(); }

  Status open();
  void close();

  template <class... Args>
  Call start(Args&&... args);
  void drop(std::uint64_t id);
  void drop_connections();

 private:
  struct SocketWatch {
    Registration readable;
    Registration writable;
  };

  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address);
  static int close_socket(void* self, curl_socket_t fd);
  void tune(curl_socket_t fd) const;
  Registration watch(curl_socket_t fd, EventLoop::Interest interest, int action);

  void cut_silent_connections();

  // A request waits while its server has enough of them; the end of one (before
  // it is forgotten) lets the next begin.
  void admit(const std::shared_ptr<Transfer>& transfer);
  void release(Transfer& transfer);
  void begin(Transfer& transfer);

  void act(curl_socket_t fd, int action);
  void collect_ended();
  void deliver();
  void deliver_soon();

  EventLoop& loop_;
  const ClientOptions options_;
  Log log_;
  CURLM* multi_ = nullptr;
  std::map<curl_socket_t, SocketWatch> watches_;
  std::set<curl_socket_t> sockets_;
  Registration timer_;
  Registration wakeup_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Transfer>> transfers_;
  std::deque<std::uint64_t> news_;  // transfers with something to tell
  struct Origin {
    int in_flight = 0;
    std::deque<std::uint64_t> waiting;
  };
  std::map<std::string, Origin> origins_;
};

Status Client::Engine::open() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail(Errc::kInternal, "start libcurl: initialisation failed");
  }
  // OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that hangs up must be
  // an error here, not the end of the process.
  struct sigaction current {};
  if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
    std::signal(SIGPIPE, SIG_IGN);
  }
  multi_ = curl_multi_init();
  if (multi_ == nullptr) {
    curl_global_cleanup();
    return fail(Errc::kExhausted, "start libcurl: no memory");
  }
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Engine::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Engine::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
  curl_multi_setopt(multi_, CURLMOPT_MAX_CONCURRENT_STREAMS, 1000L);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, options_.max_idle_connections);
  return {};
}

void Client::Engine::close() {
  if (multi_ == nullptr) {
    return;
  }
  // Owners' callbacks may hold calls of this client: they end after it has.
  auto doomed = std::exchange(transfers_, {});
  news_.clear();
  origins_.clear();
  for (const auto& [id, transfer] : doomed) {
    if (transfer->handle() != nullptr) {
      curl_multi_remove_handle(multi_, transfer->handle());
    }
  }
  curl_multi_cleanup(multi_);
  multi_ = nullptr;
  watches_.clear();
  timer_.cancel();
  wakeup_.cancel();
  doomed.clear();
  curl_global_cleanup();
}

template <class... Args>
Call Client::Engine::start(Args&&... args) {
  const std::uint64_t id = ++last_id_;
  auto transfer = std::make_shared<Transfer>(id, std::forward<Args>(args)...);
  transfers_.emplace(id, transfer);
  const EngineHooks hooks{&Engine::open_socket, &Engine::close_socket, this, &news_};
  if (Status ready = transfer->prepare(options_, hooks); !ready) {
    transfer->finish(std::move(ready).error());
    deliver_soon();
  } else {
    admit(transfer);
  }
  struct Guard {
    std::weak_ptr<Engine> engine;
    std::uint64_t id;
    ~Guard() {
      if (const auto alive = engine.lock()) {
        alive->drop(id);
      }
    }
  };
  auto guard = std::make_shared<Guard>();
  guard->engine = weak_from_this();
  guard->id = id;
  return Call(std::move(guard));
}

void Client::Engine::drop(std::uint64_t id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) {
    return;
  }
  const auto transfer = found->second;
  transfers_.erase(found);
  if (transfer->handle() != nullptr && multi_ != nullptr) {
    curl_multi_remove_handle(multi_, transfer->handle());
    release(*transfer);
    cut_silent_connections();
  }
}

void Client::Engine::admit(const std::shared_ptr<Transfer>& transfer) {
  if (transfer->is_stream()) {
    begin(*transfer);
    return;
  }
  Origin& origin = origins_[transfer->origin()];
  if (origin.in_flight < options_.max_requests_in_flight) {
    ++origin.in_flight;
    begin(*transfer);
  } else {
    origin.waiting.push_back(transfer->id());
  }
}

void Client::Engine::begin(Transfer& transfer) {
  transfer.is_started = true;
  if (curl_multi_add_handle(multi_, transfer.handle()) != CURLM_OK) {
    transfer.finish(Error(Errc::kExhausted, "libcurl takes no further request"));
    deliver_soon();
  }
}

void Client::Engine::release(Transfer& transfer) {
  const auto found = origins_.find(transfer.origin());
  if (transfer.is_stream() || !std::exchange(transfer.is_started, false) ||
      found == origins_.end()) {
    return;
  }
  Origin& origin = found->second;
  --origin.in_flight;
  while (!origin.waiting.empty() && origin.in_flight < options_.max_requests_in_flight) {
    const auto next = transfers_.find(origin.waiting.front());
    origin.waiting.pop_front();
    if (next != transfers_.end()) {
      ++origin.in_flight;
      begin(*next->second);
    }
  }
  if (origin.in_flight == 0 && origin.waiting.empty()) {
    origins_.erase(found);
  }
}

void Client::Engine::drop_connections() {
  // libcurl sees the end of each stream and forgets the connection.
  for (const curl_socket_t fd : sockets_) {
    ::shutdown(fd, SHUT_RDWR);
  }
}

// A request has been given up. If its connection's peer has not acknowledged
// bytes for a while, the next request is not to wait on it as well: it would until
// dead_peer_timeout.
void Client::Engine::cut_silent_connections() {
  for (const curl_socket_t fd : sockets_) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
        info.tcpi_state == TCP_ESTABLISHED && info.tcpi_unacked > 0 &&
        info.tcpi_last_ack_recv > kSilentMilliseconds) {
      ::shutdown(fd, SHUT_RDWR);
    }
  }
}

int Client::Engine::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto* engine = static_cast<Engine*>(self);
  if (what == CURL_POLL_REMOVE) {
    engine->watches_.erase(fd);
    return 0;
  }
  SocketWatch& watch = engine->watches_[fd];
  if ((what & CURL_POLL_IN) == 0) {
    watch.readable.cancel();
  } else if (!watch.readable) {
    watch.readable = engine->watch(fd, EventLoop::Interest::kReadable, CURL_CSELECT_IN);
  }
  if ((what & CURL_POLL_OUT) == 0) {
    watch.writable.cancel();
  } else if (!watch.writable) {
    watch.writable = engine->watch(fd, EventLoop::Interest::kWritable, CURL_CSELECT_OUT);
  }
  return 0;
}

Registration Client::Engine::watch(curl_socket_t fd, EventLoop::Interest interest, int action) {
  return loop_.watch(fd, interest, [weak = weak_from_this(), fd, action] {
    if (const auto self = weak.lock()) {
      self->act(fd, action);
    }
  });
}

int Client::Engine::on_timer(CURLM*, long timeout_ms, void* self) {
  auto* engine = static_cast<Engine*>(self);
  if (timeout_ms < 0) {
    engine->timer_.cancel();
    return 0;
  }
  engine->timer_ =
      engine->loop_.after(std::chrono::milliseconds(timeout_ms), [weak = engine->weak_from_this()] {
        if (const auto alive = weak.lock()) {
          alive->act(CURL_SOCKET_TIMEOUT, 0);
        }
      });
  return 0;
}

curl_socket_t Client::Engine::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* engine = static_cast<Engine*>(self);
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) {
    return CURL_SOCKET_BAD;
  }
  engine->tune(fd);
  engine->sockets_.insert(fd);
  return fd;
}

int Client::Engine::close_socket(void* self, curl_socket_t fd) {
  auto* engine = static_cast<Engine*>(self);
  engine->watches_.erase(fd);
  engine->sockets_.erase(fd);
  return ::close(fd);
}

void Client::Engine::tune(curl_socket_t fd) const {
  const auto set = [fd](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  // With a user timeout, keep-alive gives up when nothing has been acknowledged
  // for that long (tcp(7)), whatever the number of probes.
  const int seconds = static_cast<int>(options_.dead_peer_timeout.count());
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, seconds / 2));
  set(IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 10));
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

void Client::Engine::act(curl_socket_t fd, int action) {
  if (multi_ == nullptr) {
    return;
  }
  int running = 0;
  curl_multi_socket_action(multi_, fd, action, &running);
  collect_ended();
  deliver();
}

void Client::Engine::collect_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    const CURLcode code = message->data.result;
    curl_multi_remove_handle(multi_, transfer->handle());
    release(*transfer);
    transfer->finish(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
      cut_silent_connections();
    }
  }
}

void Client::Engine::deliver_soon() {
  wakeup_ = loop_.after(std::chrono::nanoseconds(0), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->deliver();
    }
  });
}

void Client::Engine::deliver() {
  const auto self = shared_from_this();
  while (!news_.empty()) {
    const std::uint64_t id = news_.front();
    news_.pop_front();
    auto told = Transfer::Told::kSome;
    while (told == Transfer::Told::kSome) {
      const auto found = transfers_.find(id);
      if (found == transfers_.end()) {
        break;  // dropped by its owner
      }
      const auto transfer = found->second;
      transfer->news_taken();
      told = transfer->tell();
      if (told == Transfer::Told::kDone) {
        transfers_.erase(id);
      }
    }
  }
}

Client::Client(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

Client::~Client() { engine_->close(); }

Result<std::unique_ptr<Client>> Client::create(EventLoop& loop, ClientOptions options, Log log) {
  auto engine = std::make_shared<Engine>(loop, std::move(options), std::move(log));
  VK8S_TRY(engine->open());
  return std::unique_ptr<Client>(new Client(std::move(engine)));
}

Call Client::send(Request request, std::function<void(Result<Response>)> callback) {
  return engine_->start(std::move(request), std::move(callback));
}

Call Client::stream(Request request, StreamHandlers handlers) {
  return engine_->start(std::move(request), std::move(handlers));
}

void Client::drop_connections() { engine_->drop_connections(); }

}  // namespace vk8s::http
