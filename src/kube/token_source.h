// The bearer token of a client: fixed, or a file that somebody else renews
// (bound ServiceAccount tokens live for an hour).
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/error.h"
#include "kube/client.h"

namespace vk8s::kube {

class TokenSource {
 public:
  explicit TokenSource(const ClientConfig& config)
      : file_(config.token_file), token_(config.token) {}

  // "" where the client has no token. Reads the file again if it is another one
  // (inode, time, size) than at the last call.
  Result<std::string> current();

 private:
  const std::string file_;
  std::string token_;
  struct stat last_ {};
};

}  // namespace vk8s::kube
