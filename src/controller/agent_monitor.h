// Listens to the agents of nodes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/observation.h"
#include "http/client.h"
#include "kube/client.h"

namespace vk8s::controller {

struct AgentTarget {
  std::string node_name;
  std::string pod_uid;      // another pod is another agent
  std::string address;      // the pod's
  std::string server_name;  // what its certificate must say
  bool pod_ready = false;   // what the host's kubelet finds when it asks the agent
  int port = kAgentPort;
  bool operator==(const AgentTarget&) const = default;
};

// Any thread.
class AgentMonitor {
 public:
  virtual ~AgentMonitor() = default;

  // Listens to these agents of a cluster and to no others of it. Nothing happens
  // where they are those of the last call. identity null: the one known already.
  virtual void follow(const kube::ObjectKey& cluster, const std::vector<AgentTarget>& targets,
                      std::shared_ptr<const http::TlsIdentity> identity) = 0;
  // Whether it has the identity that a cluster's agents want to see.
  virtual bool has_identity(const kube::ObjectKey& cluster) const = 0;
  virtual void forget(const kube::ObjectKey& cluster) = 0;

  // What the node's agent said last, if it is this pod's.
  virtual std::optional<AgentReport> report(const kube::ObjectKey& cluster,
                                            std::string_view node_name,
                                            std::string_view pod_uid) const = 0;
};

}  // namespace vk8s::controller
