// PID 1 of a node: reads what the node is told, makes the container a node, runs
// the upstream programs and says how they do.
#pragma once

#include <functional>
#include <memory>

#include "agent/bootstrap_objects.h"
#include "agent/component_config.h"
#include "agent/control_plane.h"
#include "agent/local_provisioner.h"
#include "agent/mtu_probe.h"
#include "agent/node_paths.h"
#include "agent/node_tracker.h"
#include "agent/overlay.h"
#include "agent/pod_processes.h"
#include "agent/registry_auth.h"
#include "agent/static_addresses.h"
#include "agent/status_server.h"
#include "agent/supervisor.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/informer.h"

namespace vk8s::agent {

// One thread: the loop's. loop outlives it.
class Agent {
 public:
  // Prepares the container and starts everything; on an error nothing runs.
  static Result<std::unique_ptr<Agent>> start(EventLoop& loop, NodePaths paths, Log log);
  ~Agent();

  // Stops the pods' containers, then the programs in the opposite order of
  // their start; no API object is deleted. Calls back once.
  void stop(std::function<void()> stopped);
  // For the reaping of orphans: whether pid is one of the agent's own children.
  bool owns(int pid) const { return supervisor_->owns(pid); }

 private:
  Agent(EventLoop& loop, NodePaths paths, Log log);
  Status prepare();
  Status create_clients();
  Status add_components();
  sys::SpawnOptions component_command(Argv argv) const;
  void add(ComponentSpec spec, Argv argv);
  void on_api_server_ready();
  void watch_nodes();
  void on_node(const Json& node);
  void on_node_deleted(const Json& node);
  void claim_pod_cidr();
  void keep_volumes_label(const Json& node);
  void update_overlay();
  void probe_paths();
  void on_path_mtu();
  bool take_registry_auth();
  void follow_registry_auth();
  void renew_later();
  Status renew_certificates();

  EventLoop& loop_;
  NodePaths paths_;
  Log log_;
  api::NodeConfig config_;
  NodeFacts facts_;
  std::vector<std::string> cgroup_procs_;
  LoopProcessRunner runner_;
  PodStopper pod_stopper_;
  std::unique_ptr<NodeTracker> tracker_;
  std::unique_ptr<StatusServer> status_server_;
  // Sees Nodes: the bootstrap identity on a master, the agent's own elsewhere.
  std::unique_ptr<kube::Client> client_;
  // Writes this Node, as the kubelet: NodeRestriction holds it to that one.
  std::unique_ptr<kube::Client> node_client_;
  std::unique_ptr<kube::Informer> nodes_;
  std::unique_ptr<StaticAddresses> static_addresses_;  // host nodes only
  std::unique_ptr<Overlay> overlay_;
  std::unique_ptr<kube::EventRecorder> events_;
  std::unique_ptr<MtuProbe> mtu_probe_;
  std::unique_ptr<LocalProvisioner> provisioner_;
  std::unique_ptr<ControlPlane> control_plane_;  // masters only
  std::unique_ptr<Supervisor> supervisor_;
  kube::Call pod_cidr_call_;
  kube::Call volumes_label_call_;
  bool watching_ = false;
  std::string registry_auth_problem_;
  Registration registry_auth_;
  Registration renewal_;
};

}  // namespace vk8s::agent
