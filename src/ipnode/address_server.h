// Tells the CNI plugin of this node whether an address is a pod's: over a Unix socket,
// after asking the API server, so that what was true a moment ago is never said. Who
// asks is a pod that starts; nobody else waits for this.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cni/ipam_protocol.h"
#include "kube/client.h"

namespace vk8s::ipnode {

inline constexpr std::size_t kMaxClaims = 64;  // at a time

// What is said about a claim; `allocation` is the API server's answer to a GET of the
// IPAllocation. Pure.
cni::ClaimAnswer judge_claim(const cni::ClaimRequest& claim, const Result<Json>& allocation);

// One thread: the loop's. What is passed in outlives it.
class AddressServer {
 public:
  // The socket is for this user alone (root); one that an earlier process left is
  // replaced. client may get IPAllocations. limit: for a request to come, and for the
  // API server to answer.
  static Result<std::unique_ptr<AddressServer>> start(
      EventLoop& loop, kube::Client& client, const std::string& socket_path, Log log,
      std::chrono::milliseconds limit = cni::kAnswerLimit);
  ~AddressServer();
  AddressServer(const AddressServer&) = delete;
  AddressServer& operator=(const AddressServer&) = delete;

 private:
  struct Connection {
    UniqueFd fd;
    std::string received;
    Registration readable;
    Registration limit;  // of the request, then of the API server's answer
    kube::Call call;
  };

  AddressServer(EventLoop& loop, kube::Client& client, UniqueFd listener, Log log,
                std::chrono::milliseconds limit);
  void accept();
  void read(int id);
  void judge(int id, const std::string& line);
  void answer(int id, const cni::ClaimRequest& claim, const Result<Json>& allocation);
  void send(int id, const cni::ClaimAnswer& answer);

  EventLoop& loop_;
  kube::Client& client_;
  UniqueFd listener_;
  Log log_;
  std::chrono::milliseconds limit_;
  Registration acceptable_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  int last_id_ = 0;
};

}  // namespace vk8s::ipnode
