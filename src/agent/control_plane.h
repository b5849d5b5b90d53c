// What a master does in its API server beside running it: keeps the bootstrap
// objects, labels nodes by role, decides on kubelets' serving certificates.
// Whoever administers the cluster may delete or change a bootstrap object: those of
// DNS are put right at once, the others within minutes. One thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/bootstrap_objects.h"
#include "agent/csr_approval.h"
#include "agent/object_watch.h"
#include "api/node_config.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::agent {

class ControlPlane {
 public:
  // client has the bootstrap identity and outlives this. ca_pem: the cluster's CA.
  ControlPlane(Timers& timers, kube::Client& client, const api::NodeConfig& config,
               std::string ca_pem, Log log);
  ~ControlPlane();

  // When the API server answers.
  Status start();
  // A Node that is there or has changed, and one that is there no more.
  void on_node(const Json& node);
  void on_node_deleted(const std::string& name);

 private:
  struct Application;

  void apply(Application& application);
  void on_applied(Application& application, const Result<Json>& applied);
  void watch(Application& application);
  void keep_later();
  void on_csr(const kube::WatchEvent& event);
  void judge(const Json& csr);
  void judge_undecided();
  void label(const std::string& node, api::NodeRole role);

  Timers& timers_;
  kube::Client& client_;
  const api::NodeConfig& config_;
  std::string ca_pem_;
  Log log_;
  ObjectWatch csr_watch_;
  std::vector<std::unique_ptr<Application>> applications_;
  Registration keep_;
  bool started_ = false;
  NodeAddresses addresses_;
  std::map<std::string, Json> undecided_;    // requests of nodes not known yet, by name
  std::map<std::string, kube::Call> calls_;  // label and approval patches under way
  Registration retry_;
};

}  // namespace vk8s::agent
