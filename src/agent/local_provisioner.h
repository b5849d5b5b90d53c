// Makes volumes of this node's disk: a claim whose pod was put on this node
// becomes a folder of the node's volume and a `local` PersistentVolume; when the
// volume is released it is deleted, if its class says so. No helper pod, no image.
// A node that offers no volumes (api::NodeConfig) sends the claim back to the
// scheduler, which its StorageClass should have told.
// Source: kubernetes.io "Dynamic Volume Provisioning"; the external provisioner's
// contract in kubernetes/design-proposals-archive, container-storage-interface.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/node_paths.h"
#include "agent/object_watch.h"
#include "agent/process_runner.h"
#include "api/node_config.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/events.h"

namespace vk8s::agent {

// A claim that this node's provisioner is to serve; nothing if it is another's,
// bound already, or asks for what a folder cannot give. Pure.
struct VolumeRequest {
  std::string namespace_name;
  std::string claim;
  std::string claim_uid;
  std::string claim_version;  // its resourceVersion
  std::string storage_class;
  std::string volume_name;  // "pvc-<uid>"
  Json access_modes;
  Json capacity;  // the requested quantity
};
Result<VolumeRequest> read_claim(const Json& claim, std::string_view node);

// The merge patch of the claim, as it was read, by which the scheduler chooses a node
// anew. Pure. Source: external provisioners do so (ProvisioningReschedule).
Json reschedule_patch(const VolumeRequest& request);

// Why a node that offers no volumes does not serve the claim, for its user. Pure.
std::string refusal(const VolumeRequest& request, std::string_view node);

// The PersistentVolume for it. Pure.
Json local_volume(const VolumeRequest& request, const std::string& node, const std::string& path,
                  std::string_view reclaim_policy);

// Whether the volume is this provisioner's, on this node, released and to be
// deleted. Pure.
bool is_to_be_deleted(const Json& volume, std::string_view node);

// One thread: the loop's. What is passed in outlives it.
class LocalProvisioner {
 public:
  LocalProvisioner(Timers& timers, ProcessRunner& runner, kube::Client& client,
                   kube::EventRecorder& events, const NodePaths& paths,
                   const api::NodeConfig& config, Log log);
  ~LocalProvisioner();

  void start();

 private:
  struct Work;

  void on_claim(const kube::WatchEvent& event);
  void on_volume(const kube::WatchEvent& event);
  void provision(const VolumeRequest& request);
  void create_volume(const VolumeRequest& request, const Json& storage_class);
  void send_back(const VolumeRequest& request);
  void delete_volume(const std::string& name);
  void delete_object(const std::string& name);
  // Ends the work on a volume; a failed one is tried again after a pause.
  void finish(const std::string& volume, const Status& status);
  std::string folder_of(const std::string& volume) const;

  Timers& timers_;
  ProcessRunner& runner_;
  kube::Client& client_;
  kube::EventRecorder& events_;
  const NodePaths& paths_;
  const api::NodeConfig& config_;
  Log log_;
  ObjectWatch claims_;
  ObjectWatch volumes_;
  std::map<std::string, std::unique_ptr<Work>> work_;  // by volume name
};

}  // namespace vk8s::agent
