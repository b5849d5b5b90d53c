#include "cni/ipam_protocol.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/json.h"
#include "base/names.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace vk8s::cni {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxReasonBytes = 1024;

std::string line(const JsonObject& document) { return base::to_string(document) + "\n"; }

std::string_view text_at(const Json& document, std::string_view path) {
  return base::get_string(document, path).value_or("");
}

Status wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd watched{.fd = fd, .events = events, .revents = 0};
    const int ready = left <= 0 ? 0 : ::poll(&watched, 1, static_cast<int>(left));
    if (ready > 0) {
      return {};
    }
    if (ready == 0) {
      return fail(Errc::kTimeout, "no answer in time");
    }
    if (errno != EINTR) {
      return fail_errno(errno, "wait");
    }
  }
}

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path) {
    return fail(Errc::kInvalidArgument, "the path of a socket has at most {} bytes",
                sizeof to.sun_path - 1);
  }
  std::memcpy(to.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    return fail_errno(errno, "make a socket");
  }
  // A full backlog is EAGAIN: nobody takes connections.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return fail(Errc::kUnavailable,
                "{}: the node's agent (vk8s-ip-node on other hosts) does not serve it",
                std::strerror(errno));
  }
  return fd;
}

Status send_all(int fd, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      VK8S_TRY(wait_for(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return fail_errno(errno, "send");
    }
  }
  return {};
}

Result<std::string> receive_line(int fd, Clock::time_point deadline) {
  std::string received;
  std::array<char, kMaxLineBytes> buffer{};
  for (;;) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      received.append(buffer.data(), static_cast<std::size_t>(got));
      if (const std::size_t end = received.find('\n'); end != std::string::npos) {
        return received.substr(0, end);
      }
      if (received.size() > kMaxLineBytes) {
        return fail(Errc::kTooLarge, "the answer is longer than {} bytes", kMaxLineBytes);
      }
    } else if (got == 0) {
      return fail(Errc::kUnavailable, "the connection was closed before an answer");
    } else if (errno == EAGAIN) {
      VK8S_TRY(wait_for(fd, POLLIN, deadline));
    } else if (errno != EINTR) {
      return fail_errno(errno, "receive");
    }
  }
}

Result<ClaimAnswer> converse(const std::string& path, const ClaimRequest& request,
                             std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  const UniqueFd fd = VK8S_TRY(connect_to(path));
  VK8S_TRY(send_all(fd.get(), to_line(request), deadline));
  return parse_claim_answer(VK8S_TRY(receive_line(fd.get(), deadline)));
}

}  // namespace

std::string to_line(const ClaimRequest& request) {
  return line({{"address", request.address.to_string()},
               {"namespace", request.pod.namespace_name},
               {"pod", request.pod.name},
               {"uid", request.pod.uid}});
}

std::string to_line(const ClaimAnswer& answer) {
  JsonObject out{{"granted", answer.granted}};
  if (!answer.granted) {
    out["reason"] = base::printable(answer.reason, kMaxReasonBytes);
  }
  return line(out);
}

Result<ClaimRequest> parse_claim_request(std::string_view text) {
  const Json document = VK8S_TRY(base::parse_json(text, kMaxLineBytes));
  ClaimRequest out;
  out.address = VK8S_TRY_CONTEXT(IpAddress::parse(text_at(document, "address")), "address");
  out.pod = {.namespace_name = std::string(text_at(document, "namespace")),
             .name = std::string(text_at(document, "pod")),
             .uid = std::string(text_at(document, "uid"))};
  if (!base::is_dns_label(out.pod.namespace_name) || !base::is_dns_subdomain(out.pod.name) ||
      !base::is_label_value(out.pod.uid)) {
    return fail(Errc::kInvalidArgument, "namespace, pod and uid must be those of a pod");
  }
  return out;
}

Result<ClaimAnswer> parse_claim_answer(std::string_view text) {
  const Json document = VK8S_TRY(base::parse_json(text, kMaxLineBytes));
  const auto granted = base::get_bool(document, "granted");
  if (!granted) {
    return fail(Errc::kInvalidArgument, "the answer does not say \"granted\"");
  }
  ClaimAnswer out{.granted = *granted, .reason = {}};
  if (!out.granted) {
    out.reason = base::printable(text_at(document, "reason"), kMaxReasonBytes);
  }
  return out;
}

Result<ClaimAnswer> ask(const std::string& socket_path, const ClaimRequest& request,
                        std::chrono::milliseconds limit) {
  return VK8S_TRY_CONTEXT(converse(socket_path, request, limit), "ask {} whether {} is {}'s",
                          socket_path, request.address.to_string(), request.pod.to_string());
}

Result<uid_t> peer_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return fail_errno(errno, "find out who asks");
  }
  return peer.uid;
}

}  // namespace vk8s::cni
