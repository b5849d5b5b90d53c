#include "simulated_agents.h"

#include <chrono>
#include <initializer_list>
#include <utility>

#include "controller/cluster.h"

namespace vk8s::bench {
namespace {

// The controller's name in the certificate it shows.
constexpr std::string_view kReader = "vk8s-controller";

std::string status_line(const SimulatedNode& node) {
  api::NodeStatus status;
  status.node = node.name;
  status.role = node.role;
  status.phase = api::NodePhase::kReady;
  status.percent = 100;
  status.since = std::chrono::system_clock::now();
  status.kubelet_version = "v1.37.2";
  const auto add = [&status](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      status.components.push_back(
          {.name = name, .state = api::ComponentState::kRunning, .pid = 100});
    }
  };
  add({"containerd", "kubelet", "kube-proxy"});
  if (node.role == api::NodeRole::kMaster) {
    add({"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns"});
  }
  return base::to_string(api::to_json(status)) + "\n";
}

}  // namespace

SimulatedAgents::~SimulatedAgents() {
  for (auto& [name, agent] : agents_) {
    agent.streams.clear();
  }
}

Status SimulatedAgents::add(const SimulatedNode& node) {
  Agent& agent = agents_[node.name];
  agent.status = status_line(node);
  http::ServerOptions options;
  options.address = node.address;
  options.port = controller::kAgentPort;
  options.certificate_pem = node.files.at("agent.crt");
  options.key_pem = node.files.at("agent.key");
  options.client_ca_pem = node.files.at("agent-client-ca.crt");
  options.max_body_bytes = 0;
  agent.server = VK8S_TRY_CONTEXT(
      http::Server::start(
          loop_, options,
          [this, &agent](const http::ServerRequest& request, http::Responder responder) {
            answer(agent, request, std::move(responder));
          },
          Log::silent()),
      "agent of node {}", node.name);
  return {};
}

void SimulatedAgents::answer(Agent& agent, const http::ServerRequest& request,
                             http::Responder responder) {
  if (request.path != "/v1/status") {
    std::move(responder).send({.status = 404, .body = "no such path\n"});
    return;
  }
  if (request.peer_common_name != kReader) {
    std::move(responder).send({.status = 403, .body = "not for you\n"});
    return;
  }
  ++answers_;
  if (!std::exchange(agent.was_heard, true)) {
    ++heard_;
  }
  if (request.query_parameter("watch") == "1") {
    follow(agent, std::move(responder));
    return;
  }
  std::move(responder).send({.content_type = "application/json", .body = agent.status});
}

void SimulatedAgents::follow(Agent& agent, http::Responder responder) {
  http::Stream stream =
      std::move(responder).start_stream({.content_type = "application/json", .body = agent.status});
  const int id = agent.next_stream++;
  stream.on_closed([this, &agent, id] {
    --open_streams_;
    agent.streams.erase(id);
  });
  ++open_streams_;
  agent.streams.emplace(id, std::move(stream));
}

}  // namespace vk8s::bench
