#include "agent/local_probe.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/unique_fd.h"

namespace vk8s::agent {
namespace {

bool accepts(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  if (!fd || path.size() >= sizeof address.sun_path) {
    return false;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Probe unix_socket_probe(std::string path) {
  return [path = std::move(path)](const std::function<void(bool)>& answer) {
    answer(accepts(path));
    return std::shared_ptr<void>();
  };
}

Probe api_server_probe(kube::Client& client, std::string path) {
  return [&client, path = std::move(path)](std::function<void(bool)> answer) {
    return std::static_pointer_cast<void>(std::make_shared<kube::Call>(
        client.raw({.method = "GET", .path = path, .content_type = "", .body = ""},
                   [answer = std::move(answer)](const Result<kube::RawResponse>& response) {
                     answer(response && response->status == 200);
                   })));
  };
}

}  // namespace vk8s::agent
