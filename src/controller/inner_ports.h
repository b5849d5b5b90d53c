// What spec.ports[].service names inside a cluster, made reachable on its nodes:
// for each, an inner Service of type NodePort with the same pods behind it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/wall_time.h"
#include "controller/inner_cluster.h"

namespace vk8s::controller {

// The inner Service for a port, given the Service that it names. kInvalidArgument
// where that has no selector or not that port. Pure; the target is the word of a
// virtual cluster.
Result<Json> inner_port_service(const api::PortSpec& port, const Json& target);

// The port of the nodes that its API server has given such a Service. Pure, likewise.
std::optional<int> inner_node_port(const Json& service);

// Those that the Service of spec.ports on the host leads to already; null = none.
// Pure.
InnerNodePorts open_inner_ports(const api::Vk8sSpec& spec, const Json* ports_service);

class InnerPorts {
 public:
  using Now = std::function<base::WallTime()>;

  InnerPorts(InnerClusters& inner, Now now) : inner_(inner), now_(std::move(now)) {}

  struct Outcome {
    InnerNodePorts ports;  // those that are open
    std::string trouble;   // of the first that is not; "" = all are
  };
  // Any thread but the loop's. Looks into the cluster at most every so often.
  Outcome ensure(const Cluster& cluster);
  void forget(const kube::ObjectKey& cluster);

 private:
  struct Known {
    std::string wanted;  // the ports as the spec had them
    Outcome outcome;
    base::WallTime until;
  };
  Outcome look(const Cluster& cluster);
  void remove_others(const kube::ObjectKey& cluster, const std::set<kube::ObjectKey>& wanted);

  InnerClusters& inner_;
  Now now_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, Known> known_;
};

}  // namespace vk8s::controller
