// Who serves a node's plugin, played for root tests: it knows which pod an address is.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "cni/ipam_protocol.h"

namespace vk8s::cni::testing {

// Serves from its creation to its end, on a thread of its own.
class ClaimServer {
 public:
  explicit ClaimServer(std::string path);
  ~ClaimServer();
  ClaimServer(const ClaimServer&) = delete;
  ClaimServer& operator=(const ClaimServer&) = delete;

  // Any thread. "" = nobody's.
  void set_owner(const std::string& address, const std::string& pod);

 private:
  void serve();
  ClaimAnswer judge(const ClaimRequest& request);

  std::string path_;
  std::mutex mutex_;
  std::map<std::string, std::string> owners_;  // guarded by mutex_
  UniqueFd listener_;
  std::thread thread_;
};

}  // namespace vk8s::cni::testing
