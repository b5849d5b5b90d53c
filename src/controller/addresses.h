// Fixed addresses of nodes: what a reconcile asks for them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "controller/cluster.h"
#include "controller/problem.h"
#include "controller/world.h"
#include "kube/client.h"

namespace vk8s::controller {

// The StatefulSets that nodes of a cluster have, by node name.
using NodeSets = std::map<std::string, World::Object>;

class Addresses {
 public:
  virtual ~Addresses() = default;

  struct Outcome {
    std::optional<Problem> problem;  // of the first node that cannot have its address
    std::string limits;              // what will not work on this host; "" = nothing
  };

  // Sees to it that each node that wants an address has one; fills in
  // cluster.addresses and cluster.held_back. A cluster that wants none, and one that
  // has them all, costs no request. Any thread but the loop's.
  virtual Outcome ensure(Cluster& cluster, const NodeSets& sets) = 0;

  // Gives back what nodes had that are no longer in the spec, once neither their
  // StatefulSet nor their pod is there. Likewise.
  virtual std::optional<Problem> release_left(const Cluster& cluster) = 0;

  virtual void forget(const kube::ObjectKey& cluster) = 0;
};

}  // namespace vk8s::controller
