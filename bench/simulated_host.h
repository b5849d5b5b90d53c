// A host of virtual clusters without machines: a real kube-apiserver and etcd, and
// of what StatefulSet controller and kubelet would write as much as the
// controller follows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "simulated_agents.h"

namespace vk8s::bench {

// Where all clusters live: many in one namespace are the dearer case.
inline constexpr std::string_view kBenchNamespace = "default";

// On the thread that started it, which is not the loop's.
class SimulatedHost {
 public:
  // With the CRD and one Node.
  static Result<std::unique_ptr<SimulatedHost>> start();
  ~SimulatedHost();

  // Of the administrator.
  std::string kubeconfig() const { return server_->kubeconfig(); }
  kube::testing::LoopThread& loop_thread() { return loop_; }
  kube::Client& client() { return *client_; }

  // bench-0000, ...: each of one master and one worker.
  Status create_clusters(int count);
  // A pod for every StatefulSet there is, not Ready, and what its agent needs.
  Result<std::vector<SimulatedNode>> create_pods();
  // Gives their pods an address and the condition Ready.
  Status report_ready(const std::vector<SimulatedNode>& nodes);

 private:
  Status install();
  Status create_host_node();
  bool wait_for_crd();
  Status create_pod(const Json& stateful_set);
  Result<SimulatedNode> node_of(const Json& stateful_set, std::size_t number);

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> client_;
  std::optional<kube::BlockingClient> api_;
};

}  // namespace vk8s::bench
