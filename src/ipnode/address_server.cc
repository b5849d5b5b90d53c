#include "ipnode/address_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "api/ip_allocation.h"

namespace vk8s::ipnode {
namespace {

constexpr int kBacklog = 128;

// Made under another name, so that nobody finds it before it is for root alone, and
// put where an earlier one is perhaps.
Result<UniqueFd> listen_at(const std::string& path) {
  const std::string unfinished = path + ".new";
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (unfinished.size() >= sizeof at.sun_path) {
    return fail(Errc::kInvalidArgument, "socket {}: its path is too long", path);
  }
  std::memcpy(at.sun_path, unfinished.c_str(), unfinished.size() + 1);
  ::unlink(unfinished.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::chmod(unfinished.c_str(), 0600) != 0 || ::listen(fd.get(), kBacklog) != 0 ||
      ::rename(unfinished.c_str(), path.c_str()) != 0) {
    return fail_errno(errno, "serve socket {}", path);
  }
  return fd;
}

cni::ClaimAnswer refuse(std::string reason) {
  return {.granted = false, .reason = std::move(reason)};
}

}  // namespace

cni::ClaimAnswer judge_claim(const cni::ClaimRequest& claim, const Result<Json>& allocation) {
  const std::string name = api::allocation_name(claim.address);
  if (!allocation) {
    return allocation.error().code() == Errc::kNotFound
               ? refuse(fmt::format("it is nobody's: there is no IPAllocation {}", name))
               : refuse(fmt::format("the API server does not say whose it is: {}",
                                    allocation.error().message()));
  }
  const auto found = api::parse_ip_allocation(*allocation);
  if (!found) {
    return refuse(fmt::format("IPAllocation {} cannot be read: {}", name, found.error().message()));
  }
  if (found->address != claim.address) {
    return refuse(fmt::format("the API server gave IPAllocation {} instead of {}",
                              api::allocation_name(found->address), name));
  }
  if (!found->owner) {
    return refuse(fmt::format("it is reserved, and no pod's (IPAllocation {})", name));
  }
  if (found->owner->namespace_name != claim.pod.namespace_name ||
      found->owner->pod != claim.pod.name) {
    return refuse(fmt::format("it belongs to pod {}", found->owner->to_string()));
  }
  if (found->releasing) {
    return refuse(fmt::format("it is being given back (IPAllocation {}, spec.releasing)", name));
  }
  return {.granted = true, .reason = {}};
}

Result<std::unique_ptr<AddressServer>> AddressServer::start(EventLoop& loop, kube::Client& client,
                                                            const std::string& socket_path, Log log,
                                                            std::chrono::milliseconds limit) {
  UniqueFd listener = VK8S_TRY(listen_at(socket_path));
  std::unique_ptr<AddressServer> server(
      new AddressServer(loop, client, std::move(listener), std::move(log), limit));
  AddressServer* self = server.get();
  server->acceptable_ = loop.watch(server->listener_.get(), EventLoop::Interest::kReadable,
                                   [self] { self->accept(); });
  if (!server->acceptable_) {
    return fail(Errc::kExhausted, "socket {} cannot be watched", socket_path);
  }
  return server;
}

AddressServer::AddressServer(EventLoop& loop, kube::Client& client, UniqueFd listener, Log log,
                             std::chrono::milliseconds limit)
    : loop_(loop),
      client_(client),
      listener_(std::move(listener)),
      log_(std::move(log)),
      limit_(limit) {}

AddressServer::~AddressServer() = default;

void AddressServer::accept() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    return;
  }
  const auto user = cni::peer_user(fd.get());
  if (!user || *user != ::geteuid()) {
    log_.warning("another user asked for an address", {{"user", user.value_or(0)}});
    return;
  }
  const int id = ++last_id_;
  auto& connection = *(connections_[id] = std::make_unique<Connection>());
  connection.fd = std::move(fd);
  if (connections_.size() > kMaxClaims) {
    send(id, refuse("too many pods ask at once"));
    return;
  }
  connection.limit = loop_.after(limit_, [this, id] { connections_.erase(id); });
  connection.readable =
      loop_.watch(connection.fd.get(), EventLoop::Interest::kReadable, [this, id] { read(id); });
  if (!connection.readable) {
    send(id, refuse("the node has no descriptor left"));
  }
}

void AddressServer::read(int id) {
  Connection& connection = *connections_.at(id);
  std::array<char, cni::kMaxLineBytes> buffer{};
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (got <= 0) {
    connections_.erase(id);
    return;
  }
  connection.received.append(buffer.data(), static_cast<std::size_t>(got));
  if (const std::size_t end = connection.received.find('\n'); end != std::string::npos) {
    connection.readable.cancel();
    judge(id, connection.received.substr(0, end));
  } else if (connection.received.size() > cni::kMaxLineBytes) {
    send(id, refuse("the request is too long"));
  }
}

void AddressServer::judge(int id, const std::string& line) {
  const auto claim = cni::parse_claim_request(line);
  if (!claim) {
    send(id, refuse(fmt::format("the request is malformed: {}", claim.error().message())));
    return;
  }
  Connection& connection = *connections_.at(id);
  connection.limit = loop_.after(limit_, [this, id, claim = *claim] {
    answer(id, claim, fail(Errc::kTimeout, "no answer within {} ms", limit_.count()));
  });
  connection.call = client_.get(
      kube::resources::kIPAllocation, {"", api::allocation_name(claim->address)},
      [this, id, claim = *claim](const Result<Json>& found) { answer(id, claim, found); });
}

void AddressServer::answer(int id, const cni::ClaimRequest& claim, const Result<Json>& allocation) {
  const cni::ClaimAnswer verdict = judge_claim(claim, allocation);
  log_.info(verdict.granted ? "address confirmed" : "address refused",
            {{"address", claim.address.to_string()},
             {"pod", claim.pod.to_string()},
             {"reason", verdict.reason}});
  send(id, verdict);
}

// What is said fits into the socket's buffer, so the connection may end at once.
void AddressServer::send(int id, const cni::ClaimAnswer& answer) {
  const std::string line = cni::to_line(answer);
  const int fd = connections_.at(id)->fd.get();
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) {
    log_.debug("who asked for an address has gone");
  }
  connections_.erase(id);
}

}  // namespace vk8s::ipnode
