// Agents of nodes as the controller sees them: each a TLS server on an address of
// its own, with the certificate that the controller issued to that node.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "api/cluster_pki.h"
#include "api/node_status.h"
#include "base/event_loop.h"
#include "http/server.h"

namespace vk8s::bench {

struct SimulatedNode {
  std::string name;
  api::NodeRole role = api::NodeRole::kMaster;
  std::string address;
  api::FileSet files;  // agent.crt, agent.key, agent-client-ca.crt
};

// On the loop's thread, but the counters: any.
class SimulatedAgents {
 public:
  explicit SimulatedAgents(EventLoop& loop) : loop_(loop) {}
  ~SimulatedAgents();

  // One that says that it is Ready, whoever may ask for its status.
  Status add(const SimulatedNode& node);

  // How many have been asked by who may ask.
  int heard() const { return heard_.load(); }
  // Answers that go on.
  int open_streams() const { return open_streams_.load(); }
  // Answers begun.
  int answers() const { return answers_.load(); }

 private:
  struct Agent {
    std::unique_ptr<http::Server> server;
    std::string status;  // a line
    bool was_heard = false;
    int next_stream = 0;
    std::map<int, http::Stream> streams;  // ends before the server
  };

  void answer(Agent& agent, const http::ServerRequest& request, http::Responder responder);
  void follow(Agent& agent, http::Responder responder);

  EventLoop& loop_;
  std::map<std::string, Agent> agents_;  // by node name
  std::atomic<int> heard_ = 0;
  std::atomic<int> open_streams_ = 0;
  std::atomic<int> answers_ = 0;
};

}  // namespace vk8s::bench
