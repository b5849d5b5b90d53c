// Add-ons inside clusters: what a reconcile asks for them.
#pragma once

#include <optional>
#include <vector>

#include "controller/cluster.h"
#include "kube/client.h"

namespace vk8s::controller {

// The part of a status that is about add-ons.
struct AddonsReport {
  std::optional<api::AddonStatus> kubeflow;
  std::vector<api::AddonStatus> addons;  // by name
};

class Addons {
 public:
  virtual ~Addons() = default;

  // Whether it may act in that cluster; adopt() sees to that, once cluster.pki and the
  // Service's address are known.
  virtual bool has_identity(const kube::ObjectKey& cluster) const = 0;
  virtual Status adopt(const Cluster& cluster) = 0;

  // Has the add-ons of the spec brought in and those taken away that only the status
  // names; begins none that the status does not name yet. can_work: its API server is to
  // be there. Waits for nothing; the cluster is woken when there is more to tell. Any
  // thread but the loop's.
  virtual AddonsReport ensure(const api::Vk8s& vk8s, bool can_work) = 0;

  // Drops what is under way. What is inside stays.
  virtual void forget(const kube::ObjectKey& cluster) = 0;
};

}  // namespace vk8s::controller
