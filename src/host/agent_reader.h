// Reads what the nodes' agents say, and waits until all of them are Ready.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/cluster_pki.h"
#include "api/node_status.h"
#include "base/error.h"

namespace vk8s::host {

struct ReadableNode {
  std::string name;
  std::string address;
  pid_t pid = 0;  // its agent's
};

// What the agent of each node says now; a node that does not answer within the
// timeout is absent. Runs a loop of its own.
Result<std::map<std::string, api::NodeStatus>> read_agents(const std::vector<ReadableNode>& nodes,
                                                           const api::FileSet& agent_ca,
                                                           std::chrono::milliseconds timeout);

struct ReadinessOptions {
  api::FileSet agent_ca;
  std::string kubeconfig_file;
  std::chrono::seconds timeout{180};
  // Each new step of a node: "waiting for the API server", 40.
  std::function<void(const std::string& node, const std::string& step, int percent)> on_step;
};

// Until each agent says Ready and each Node object does. kTimeout names who is
// not and why; kUnavailable a node whose agent has ended.
Status wait_until_ready(const std::vector<ReadableNode>& nodes, const ReadinessOptions& options);

}  // namespace vk8s::host
