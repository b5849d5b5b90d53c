#include "agent/status_server.h"

#include "agent/node_metrics.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

std::string line_of(const api::NodeStatus& status) {
  return base::to_string(api::to_json(status)) + "\n";
}

}  // namespace

Result<std::unique_ptr<StatusServer>> StatusServer::start(EventLoop& loop, const NodePaths& paths,
                                                          NodeTracker& tracker, Log log,
                                                          std::uint16_t port) {
  http::ServerOptions options;
  options.port = port;
  options.certificate_pem = VK8S_TRY(sys::read_file(paths.given("agent.crt")));
  options.key_pem = VK8S_TRY(sys::read_file(paths.given("agent.key")));
  options.client_ca_pem = VK8S_TRY(sys::read_file(paths.given("agent-client-ca.crt")));
  options.max_body_bytes = 0;
  std::unique_ptr<StatusServer> server(new StatusServer(tracker));
  StatusServer* self = server.get();
  server->server_ = VK8S_TRY(http::Server::start(
      loop, options,
      [self](const http::ServerRequest& request, http::Responder responder) {
        self->handle(request, std::move(responder));
      },
      std::move(log)));
  return server;
}

Status StatusServer::reload_certificate(const NodePaths& paths) {
  return server_->set_certificate(VK8S_TRY(sys::read_file(paths.given("agent.crt"))),
                                  VK8S_TRY(sys::read_file(paths.given("agent.key"))));
}

StatusServer::~StatusServer() {
  for (const auto& [id, stream] : streams_) {
    tracker_.unfollow(id);
  }
}

void StatusServer::handle(const http::ServerRequest& request, http::Responder responder) {
  if (request.method != "GET") {
    std::move(responder).send({.status = 405, .body = "only GET is answered here\n"});
  } else if (request.path == "/healthz") {
    std::move(responder).send({.body = "ok\n"});
  } else if (request.path == "/readyz") {
    const bool ready = tracker_.is_ready();
    std::move(responder).send(
        {.status = ready ? 200 : 503, .body = ready ? "ok\n" : "not ready\n"});
  } else if (request.path == "/v1/status" || request.path == "/metrics") {
    send_to_reader(request, std::move(responder));
  } else {
    std::move(responder).send({.status = 404, .body = "no such path\n"});
  }
}

void StatusServer::send_to_reader(const http::ServerRequest& request, http::Responder responder) {
  if (request.peer_common_name != kStatusReader) {
    std::move(responder).send(
        {.status = 403, .body = "a client certificate of the cluster's controller is needed\n"});
  } else if (request.path == "/metrics") {
    std::move(responder).send(
        {.content_type = "text/plain; version=0.0.4", .body = node_metrics(tracker_.status())});
  } else if (request.query_parameter("watch") == "1") {
    follow(std::move(responder));
  } else {
    std::move(responder).send(
        {.content_type = "application/json", .body = line_of(tracker_.status())});
  }
}

void StatusServer::follow(http::Responder responder) {
  if (streams_.size() >= kMaxFollowers) {
    std::move(responder).send({.status = 429, .body = "too many watches of this node\n"});
    return;
  }
  http::Stream stream = std::move(responder).start_stream(
      {.content_type = "application/json", .body = line_of(tracker_.status())});
  const int id = tracker_.follow([this](int follower, const api::NodeStatus& status) {
    streams_.at(follower).write(line_of(status));
  });
  stream.on_closed([this, id] {
    tracker_.unfollow(id);
    streams_.erase(id);
  });
  streams_.emplace(id, std::move(stream));
}

}  // namespace vk8s::agent
