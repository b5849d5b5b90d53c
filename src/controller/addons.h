// Add-ons inside clusters: what a reconcile asks for them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/cluster.h"
#include "kube/client.h"

namespace vk8s::controller {

// The part of a status that is about add-ons.
struct AddonsReport {
  std::optional<api::AddonStatus> kubeflow;
  std::vector<api::AddonStatus> addons;  // by name
};

// Of the first user of an add-on that has a login.
struct AddonLogin {
  std::string password;
  std::string source;   // where it is, for who wants to log in: "Secret demo (key password)"
  std::string trouble;  // why there is none, and what to do; "" = there is one
};

class Addons {
 public:
  virtual ~Addons() = default;

  // Whether it may act in that cluster; adopt() sees to that, once cluster.pki and the
  // Service's address are known.
  virtual bool has_identity(const kube::ObjectKey& cluster) const = 0;
  virtual Status adopt(const Cluster& cluster) = 0;

  // Whether the Kubeflow that it asks for is known to have a login: ensure() waits to be
  // given one.
  virtual bool wants_login(const api::Vk8s& vk8s) const = 0;

  // Has the add-ons of the spec brought in and those taken away that only the status
  // names; begins none that the status does not name yet. can_work: its API server is to
  // be there. Waits for nothing; the cluster is woken when there is more to tell. A new
  // password is hashed, in a quarter of a second. Any thread but the loop's.
  virtual AddonsReport ensure(const api::Vk8s& vk8s, bool can_work,
                              const std::optional<AddonLogin>& login) = 0;

  // Drops what is under way. What is inside stays.
  virtual void forget(const kube::ObjectKey& cluster) = 0;
};

}  // namespace vk8s::controller
