// The embedded host: a Kubernetes of one or more nodes in containers on this
// machine, for those who have no host Kubernetes of their own.
//
// Every call reads what is there, makes the difference and reports: safe to run
// again after any failure or a reboot. Needs root. One call at a time per host
// (a lock file says so to other processes). Blocking.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/node_status.h"
#include "base/error.h"
#include "host/host_container.h"
#include "host/host_files.h"
#include "host/host_plan.h"
#include "host/machine_limits.h"

namespace vk8s::host {

struct HostOptions {
  std::string state_folder = "/var/lib/vk8s-host";
  // What the user said; the rest is as it was, or the default at the first `up`.
  std::optional<std::string> name;
  std::optional<std::string> subnet;
  std::optional<std::string> pod_network_cidr;
  std::optional<std::string> service_cidr;
  std::optional<std::string> kubernetes_version;
  std::optional<std::string> rootfs;
  std::optional<std::string> registry_rootfs;  // "" = none
  std::optional<int> node_count;

  std::string runc;  // "" = that of the image
  bool wait = true;  // until every node is Ready
  std::chrono::seconds timeout{180};
  std::chrono::seconds stop_grace{60};  // of each container
  LimitFiles limit_files;
};

// Lines for a person: ("host-1", "waiting for the API server").
using Progress = std::function<void(std::string_view subject, std::string_view text)>;

struct HostNodeStatus {
  std::string name;
  api::NodeRole role = api::NodeRole::kMaster;
  std::string address;
  ContainerStatus container;
  std::optional<api::NodeStatus> agent;  // none: it does not answer
};

struct HostStatus {
  bool exists = false;  // there is state of a host
  std::string name;
  std::string api_server;
  std::string kubeconfig;    // its path
  std::string registry;      // "198.18.0.2:5000", or ""
  std::string address_pool;  // for pods that keep their addresses, "198.19.96.0/19", or ""
  std::vector<HostNodeStatus> nodes;
};

class HostCluster {
 public:
  HostCluster(HostOptions options, Progress progress);

  // Running, and Ready if wait is set. Errors: kForbidden without root,
  // kInvalidArgument for options, kConflict for what cannot be changed on a host
  // that exists or is somebody else's, kUnavailable, kTimeout.
  Status up();
  // Stops everything and keeps the state.
  Status down();
  // Stops everything and leaves nothing behind, also of a host half made or
  // whose state is lost (then its name must be given if it is not the default).
  Status purge();

  Result<HostStatus> status();
  // The text of the administrator's kubeconfig.
  Result<std::string> kubeconfig();

 private:
  Result<HostSettings> stored_settings() const;
  Result<HostSettings> wanted_settings() const;
  Status adopt_settings(const HostSettings& settings) const;
  Result<Runc> make_runc(const HostPlan& plan) const;
  Status keep_runc(const HostSettings& settings) const;
  HostContainer node_container(const HostSettings& settings, const HostPlan& plan,
                               const NodePlan& node, std::string config_version) const;
  Status ensure_machine(const HostSettings& settings, const HostPlan& plan);
  Status ensure_node(const HostSettings& settings, const HostPlan& plan, const NodePlan& node,
                     const HostPki& pki);
  Status ensure_registry(const HostSettings& settings, const HostPlan& plan, const HostPki& pki);
  Status wait_until_ready(const HostSettings& settings, const HostPlan& plan, const HostPki& pki);
  Status explain_ended_agents(const HostSettings& settings, const HostPlan& plan, Error error);
  Result<HostPlan> widest_plan() const;
  Status stop_all(const HostPlan& plan);
  Status remove_state(const HostPlan& plan) const;

  HostOptions options_;
  Progress progress_;
};

}  // namespace vk8s::host
