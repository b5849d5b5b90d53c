// The agent's HTTPS endpoint on the node's address.
//
//   GET /healthz, /readyz     anyone (kubelet's probes have no certificate)
//   GET /v1/status            the controller: NodeStatus as JSON
//   GET /v1/status?watch=1    the controller: one NodeStatus a line, at each change
//   GET /metrics              the controller: the same as metrics
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "agent/node_paths.h"
#include "agent/node_tracker.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "http/server.h"

namespace vk8s::agent {

inline constexpr std::uint16_t kStatusPort = 10300;
// Who may read the status: the common name in a certificate of the agent CA.
inline constexpr std::string_view kStatusReader = "vk8s-controller";
inline constexpr std::size_t kMaxFollowers = 16;

class StatusServer {
 public:
  // tracker outlives it.
  static Result<std::unique_ptr<StatusServer>> start(EventLoop& loop, const NodePaths& paths,
                                                     NodeTracker& tracker, Log log,
                                                     std::uint16_t port = kStatusPort);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // Takes up a certificate that was renewed on disk; connections that are open stay.
  Status reload_certificate(const NodePaths& paths);
  std::uint16_t port() const { return server_->port(); }

 private:
  explicit StatusServer(NodeTracker& tracker) : tracker_(tracker) {}
  void handle(const http::ServerRequest& request, http::Responder responder);
  void send_to_reader(const http::ServerRequest& request, http::Responder responder);
  void follow(http::Responder responder);

  NodeTracker& tracker_;
  std::map<int, http::Stream> streams_;  // by follower
  std::unique_ptr<http::Server> server_;
};

}  // namespace vk8s::agent
