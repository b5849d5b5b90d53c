// Makes of one Vk8s what it asks for. Level-triggered: reads the caches, writes
// the difference, reports; safe to run twice, from any half-done state.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "controller/addons.h"
#include "controller/addresses.h"
#include "controller/agent_monitor.h"
#include "controller/batch_client.h"
#include "controller/cluster_status.h"
#include "controller/first_user.h"
#include "controller/host_admission.h"
#include "controller/inner_ports.h"
#include "controller/node_drain.h"
#include "controller/node_metadata.h"
#include "controller/object_writer.h"
#include "controller/registry_credentials.h"
#include "controller/secret_keeper.h"
#include "controller/world.h"

namespace vk8s::controller {

class Reconciler {
 public:
  // Tells the story to who runs `kubectl describe`; may be empty.
  using Announce = std::function<void(const Json& vk8s, bool is_warning, std::string_view reason,
                                      const std::string& message)>;

  struct Parts {
    BatchClient& client;
    const World& world;
    AgentMonitor& agents;
    InnerClusters& inner;
    Addresses& addresses;
    Addons& addons;
    Announce announce;
    Settings settings;
    Log log;
    std::function<base::WallTime()> now = std::chrono::system_clock::now;
  };
  // All parts outlive it.
  explicit Reconciler(Parts parts);

  struct Outcome {
    // When to run again although nothing changed.
    std::optional<std::chrono::seconds> again;
  };

  // Any thread but the loop's; one at a time for a key. An error is retried.
  Result<Outcome> reconcile(const kube::ObjectKey& key);

 private:
  struct Written {
    api::Vk8sStatus status;
    std::string resource_version;    // of the Vk8s it was computed from
    std::set<std::string> problems;  // their reasons
  };

  std::optional<Problem> move_password(const api::Vk8s& vk8s, const Json& object);
  void forget(const kube::ObjectKey& key);
  Observation drive(const api::Vk8s& vk8s, const Json& object);
  void ensure_addons(const Cluster& cluster, const api::Vk8s& vk8s, Observation& seen);
  Cluster prepare(const api::Vk8s& vk8s, Observation& seen);
  World::Object own_set(const Cluster& cluster, const std::string& node) const;
  NodeSets known_sets(const Cluster& cluster) const;
  bool build(Cluster& cluster, bool is_new, Observation& seen);
  void keep_in_touch(Cluster& cluster, Observation& seen);
  bool dry_run(Cluster& cluster, Observation& seen);
  std::optional<Problem> write_services(Cluster& cluster);
  std::optional<Problem> write_ports_service(const Cluster& cluster);
  std::optional<Problem> write_nodes(Cluster& cluster, bool is_new);
  bool resumes(const Cluster& cluster) const;
  std::optional<Problem> ensure_authorities(Cluster& cluster, bool is_new);
  std::optional<Problem> set_replicas(const Cluster& cluster);
  api::Vk8s with_reached_version(api::Vk8s vk8s) const;
  NodeObservation look_at(const api::Vk8s& vk8s, const api::NodeSpec& node) const;
  std::string version_of(const api::Vk8s& vk8s, const NodeObservation& master) const;
  void observe(const Cluster& cluster, const api::Vk8s& vk8s, Observation& seen);
  void explain_missing(const Cluster& cluster, Observation& seen);
  std::optional<Problem> label_nodes(const Cluster& cluster, const Observation& seen);
  std::vector<World::Object> left_sets(const api::Vk8s& vk8s) const;
  std::optional<Problem> replace_outdated(Cluster& cluster, const Observation& seen,
                                          const std::vector<World::Object>& left);
  std::optional<Problem> ensure_mounted(Cluster& cluster, const std::string& node);
  std::optional<Problem> empty_node(const Cluster& cluster, const std::string& name);
  std::optional<Problem> take_back_nodes(const Cluster& cluster, const Observation& seen,
                                         bool may_replace);
  std::optional<Problem> take_back(const Cluster& cluster, const NodeObservation& node);
  std::optional<Problem> write_ports(const Cluster& cluster);
  std::optional<Problem> open_ports(Cluster& cluster, const Observation& seen);
  std::optional<Problem> remove_left_nodes(const Cluster& cluster,
                                           const std::vector<World::Object>& left,
                                           const Observation& seen, const Json& object);
  std::optional<Problem> remove_objects_of(const Cluster& cluster, const Json& stateful_set);
  bool may_act_inside(const api::Vk8s& vk8s) const;
  Status report(const Json& object, const api::Vk8s& vk8s, const Observation& seen);
  void tell(const Json& object, const api::Vk8sStatus& status, const Observation& seen,
            bool has_new_phase, const std::set<std::string>& known_problems) const;
  void tell_addons(const Json& object, const api::Vk8sStatus& previous,
                   const api::Vk8sStatus& status) const;

  Parts parts_;
  ObjectWriter writer_;
  SecretKeeper secrets_;
  RegistryCredentials registry_credentials_;
  FirstUsers first_users_;
  InnerPorts inner_ports_;
  NodeMetadata node_metadata_;
  NodeDrain node_drain_;
  HostAdmission admission_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, Written> written_;
};

}  // namespace vk8s::controller
