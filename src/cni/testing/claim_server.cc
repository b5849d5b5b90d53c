#include "cni/testing/claim_server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace vk8s::cni::testing {

ClaimServer::ClaimServer(std::string path)
    : path_(std::move(path)), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path_.c_str(), sizeof at.sun_path - 1);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
      ::listen(listener_.get(), 16) == 0) {
    thread_ = std::thread([this] { serve(); });
  }
}

ClaimServer::~ClaimServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);  // accept() ends
  if (thread_.joinable()) {
    thread_.join();
  }
  ::unlink(path_.c_str());
}

void ClaimServer::set_owner(const std::string& address, const std::string& pod) {
  const std::lock_guard lock(mutex_);
  owners_[address] = pod;
}

ClaimAnswer ClaimServer::judge(const ClaimRequest& request) {
  const std::lock_guard lock(mutex_);
  const std::string owner = owners_[request.address.to_string()];
  return owner == request.pod.to_string()
             ? ClaimAnswer{.granted = true, .reason = {}}
             : ClaimAnswer{.granted = false, .reason = "it belongs to pod " + owner};
}

void ClaimServer::serve() {
  for (;;) {
    const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) {
      return;
    }
    std::array<char, kMaxLineBytes> buffer{};
    const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    const std::string_view line(buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0));
    const auto request = parse_claim_request(line.substr(0, line.find('\n')));
    const std::string answer =
        to_line(request ? judge(*request)
                        : ClaimAnswer{.granted = false, .reason = request.error().message()});
    ::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  }
}

}  // namespace vk8s::cni::testing
