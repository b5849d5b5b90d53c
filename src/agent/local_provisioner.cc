#include "agent/local_provisioner.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "agent/bootstrap_objects.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

constexpr auto kRetryDelay = std::chrono::seconds(2);
constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";
constexpr std::string_view kProvisioner = "volume.kubernetes.io/storage-provisioner";
// All that kube-controller-manager writes before 1.23.
constexpr std::string_view kBetaProvisioner = "volume.beta.kubernetes.io/storage-provisioner";
constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";
constexpr std::string_view kNodeAnnotation = "vk8s.sktelecom.com/node";
constexpr std::string_view kVolumePrefix = "pvc-";

// Annotation keys hold dots, which a path would take apart.
std::string_view annotation(const Json& object, std::string_view key) {
  const JsonObject* all = base::get_object(object, "metadata.annotations");
  const Json* value = all == nullptr ? nullptr : all->if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_string()) {
    return {};
  }
  return {value->get_string().data(), value->get_string().size()};
}

// The uid becomes a folder's name.
bool is_uid(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string text_at(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

}  // namespace

struct LocalProvisioner::Work {
  kube::Call call;
  std::unique_ptr<RunningProcess> removal;
  Registration retry;
};

Result<VolumeRequest> read_claim(const Json& claim, std::string_view node) {
  const std::string_view provisioner = annotation(claim, kProvisioner);
  if ((provisioner.empty() ? annotation(claim, kBetaProvisioner) : provisioner) !=
          kLocalProvisioner ||
      annotation(claim, kSelectedNode) != node || !text_at(claim, "spec.volumeName").empty() ||
      base::find(claim, "metadata.deletionTimestamp") != nullptr) {
    return fail(Errc::kNotFound, "not a claim for this node");
  }
  VolumeRequest request{.namespace_name = text_at(claim, "metadata.namespace"),
                        .claim = text_at(claim, "metadata.name"),
                        .claim_uid = text_at(claim, "metadata.uid"),
                        .claim_version = text_at(claim, "metadata.resourceVersion"),
                        .storage_class = text_at(claim, "spec.storageClassName")};
  if (!is_uid(request.claim_uid)) {
    return fail(Errc::kInvalidArgument, "claim {}/{}: its uid is malformed", request.namespace_name,
                request.claim);
  }
  if (text_at(claim, "spec.volumeMode") == "Block") {
    return fail(Errc::kUnsupported, "claim {}/{}: a folder cannot be a block device",
                request.namespace_name, request.claim);
  }
  request.volume_name = std::string(kVolumePrefix) + request.claim_uid;
  const Json* modes = base::find(claim, "spec.accessModes");
  const Json* capacity = base::find(claim, "spec.resources.requests.storage");
  if (modes == nullptr || capacity == nullptr) {
    return fail(Errc::kInvalidArgument, "claim {}/{}: access modes or storage are missing",
                request.namespace_name, request.claim);
  }
  request.access_modes = *modes;
  request.capacity = *capacity;
  return request;
}

Json reschedule_patch(const VolumeRequest& request) {
  // With the version: the scheduler may have chosen another node meanwhile.
  return {
      {"metadata",
       {{"resourceVersion", request.claim_version}, {"annotations", {{kSelectedNode, nullptr}}}}}};
}

std::string refusal(const VolumeRequest& request, std::string_view node) {
  return fmt::format(
      "node {} has no storage to keep volumes on: give StorageClass {} allowedTopologies with "
      "{}=true, as class local has, or add a node with spec.nodes[].storage",
      node, request.storage_class, api::kVolumesLabel);
}

Json local_volume(const VolumeRequest& request, const std::string& node, const std::string& path,
                  std::string_view reclaim_policy) {
  const Json hostname_is_node{
      {"key", "kubernetes.io/hostname"}, {"operator", "In"}, {"values", JsonArray{Json(node)}}};
  return {{"apiVersion", "v1"},
          {"kind", "PersistentVolume"},
          {"metadata",
           {{"name", request.volume_name},
            {"annotations", {{kProvisionedBy, kLocalProvisioner}, {kNodeAnnotation, node}}}}},
          {"spec",
           {{"capacity", {{"storage", request.capacity}}},
            {"accessModes", request.access_modes},
            {"persistentVolumeReclaimPolicy", reclaim_policy},
            {"storageClassName", request.storage_class},
            {"claimRef",
             {{"apiVersion", "v1"},
              {"kind", "PersistentVolumeClaim"},
              {"namespace", request.namespace_name},
              {"name", request.claim},
              {"uid", request.claim_uid}}},
            {"local", {{"path", path}}},
            {"nodeAffinity",
             {{"required",
               {{"nodeSelectorTerms",
                 JsonArray{JsonObject{{"matchExpressions", JsonArray{hostname_is_node}}}}}}}}}}}};
}

bool is_to_be_deleted(const Json& volume, std::string_view node) {
  const std::string name = text_at(volume, "metadata.name");
  return annotation(volume, kProvisionedBy) == kLocalProvisioner &&
         annotation(volume, kNodeAnnotation) == node &&
         text_at(volume, "status.phase") == "Released" &&
         text_at(volume, "spec.persistentVolumeReclaimPolicy") == "Delete" &&
         base::find(volume, "metadata.deletionTimestamp") == nullptr &&
         name.starts_with(kVolumePrefix) && is_uid(name.substr(kVolumePrefix.size()));
}

LocalProvisioner::LocalProvisioner(Timers& timers, ProcessRunner& runner, kube::Client& client,
                                   kube::EventRecorder& events, const NodePaths& paths,
                                   const api::NodeConfig& config, Log log)
    : timers_(timers),
      runner_(runner),
      client_(client),
      events_(events),
      paths_(paths),
      config_(config),
      log_(std::move(log)),
      claims_(
          timers, client, kube::resources::kPersistentVolumeClaim, "",
          [this](const kube::WatchEvent& event) { on_claim(event); }, log_),
      volumes_(
          timers, client, kube::resources::kPersistentVolume, "",
          [this](const kube::WatchEvent& event) { on_volume(event); }, log_) {}

LocalProvisioner::~LocalProvisioner() = default;

void LocalProvisioner::start() {
  claims_.start();
  volumes_.start();
}

std::string LocalProvisioner::folder_of(const std::string& volume) const {
  return fmt::format("{}/volumes/{}", paths_.state, volume);
}

void LocalProvisioner::on_claim(const kube::WatchEvent& event) {
  if (event.type != kube::WatchEvent::Type::kAdded &&
      event.type != kube::WatchEvent::Type::kModified) {
    return;
  }
  const auto request = read_claim(event.object, config_.node_name);
  if (request && config_.offers_volumes) {
    provision(*request);
  } else if (request) {
    send_back(*request);
  } else if (request.error().code() != Errc::kNotFound) {
    log_.warning("claim not served", {{"error", request.error().message()}});
  }
}

void LocalProvisioner::provision(const VolumeRequest& request) {
  auto& work = work_[request.volume_name];
  if (work) {
    return;  // under way
  }
  work = std::make_unique<Work>();
  work->call =
      client_.get(kube::resources::kStorageClass, {"", request.storage_class},
                  [this, request](Result<Json> storage_class) {
                    if (storage_class) {
                      create_volume(request, *storage_class);
                    } else {
                      finish(request.volume_name, tl::unexpected(std::move(storage_class).error()));
                    }
                  });
}

void LocalProvisioner::create_volume(const VolumeRequest& request, const Json& storage_class) {
  const std::string folder = folder_of(request.volume_name);
  Status made = sys::ensure_directory(folder);
  // Any user of a container may write to its volume, whatever the umask says.
  if (made && ::chmod(folder.c_str(), 0777) != 0) {
    made = fail_errno(errno, "open folder {} to containers", folder);
  }
  if (!made) {
    finish(request.volume_name, made);
    return;
  }
  const Json volume =
      local_volume(request, config_.node_name, folder,
                   base::get_string(storage_class, "reclaimPolicy").value_or("Delete"));
  work_.at(request.volume_name)->call = client_.create(
      kube::resources::kPersistentVolume, "", volume, [this, request](Result<Json> created) {
        if (created || created.error().code() == Errc::kAlreadyExists) {
          log_.info("volume made", {{"volume", request.volume_name},
                                    {"claim", request.namespace_name + "/" + request.claim}});
          finish(request.volume_name, {});
        } else {
          finish(request.volume_name, tl::unexpected(std::move(created).error()));
        }
      });
}

void LocalProvisioner::send_back(const VolumeRequest& request) {
  auto& work = work_[request.volume_name];
  if (work) {
    return;
  }
  work = std::make_unique<Work>();
  const kube::ObjectKey key{request.namespace_name, request.claim};
  const std::string reason = refusal(request, config_.node_name);
  log_.warning("claim sent back to the scheduler",
               {{"claim", key.namespace_name + "/" + key.name}, {"reason", reason}});
  events_.record({kube::resources::kPersistentVolumeClaim, key, request.claim_uid},
                 kube::EventType::kWarning, "ProvisioningFailed", reason);
  work->call =
      client_.merge_patch(kube::resources::kPersistentVolumeClaim, key, reschedule_patch(request),
                          [this, volume = request.volume_name](Result<Json> patched) {
                            if (patched || patched.error().code() == Errc::kNotFound) {
                              finish(volume, {});
                            } else {
                              finish(volume, tl::unexpected(std::move(patched).error()));
                            }
                          });
}

void LocalProvisioner::on_volume(const kube::WatchEvent& event) {
  if (event.type != kube::WatchEvent::Type::kDeleted &&
      event.type != kube::WatchEvent::Type::kBookmark &&
      is_to_be_deleted(event.object, config_.node_name)) {
    delete_volume(text_at(event.object, "metadata.name"));
  }
}

void LocalProvisioner::delete_volume(const std::string& name) {
  auto& work = work_[name];
  if (work) {
    return;
  }
  work = std::make_unique<Work>();
  // A child, because a large tree takes long and PID 1 must not wait for it.
  sys::SpawnOptions options{.argv = {"rm", "-rf", "--one-file-system", folder_of(name)},
                            .environment = sys::scrubbed_environment()};
  auto removal = runner_.start(
      std::move(options),
      {.on_output = nullptr, .on_exit = [this, name](const sys::ExitStatus& status) {
         if (status.success()) {
           delete_object(name);
         } else {
           finish(name,
                  fail(Errc::kIo, "remove folder {}: {}", folder_of(name), status.to_string()));
         }
       }});
  if (!removal) {
    finish(name, tl::unexpected(std::move(removal).error()));
    return;
  }
  work->removal = std::move(*removal);
}

void LocalProvisioner::delete_object(const std::string& name) {
  work_.at(name)->call = client_.remove(
      kube::resources::kPersistentVolume, {"", name}, {}, [this, name](Result<Json> removed) {
        if (removed || removed.error().code() == Errc::kNotFound) {
          log_.info("volume deleted", {{"volume", name}});
          finish(name, {});
        } else {
          finish(name, tl::unexpected(std::move(removed).error()));
        }
      });
}

void LocalProvisioner::finish(const std::string& volume, const Status& status) {
  const auto found = work_.find(volume);
  if (status) {
    work_.erase(found);
    return;
  }
  log_.warning("volume not served yet", {{"volume", volume}, {"error", status.error().message()}});
  // The watches begin anew: what is still to be done comes again.
  found->second->retry = timers_.after(kRetryDelay, [this, volume] {
    work_.erase(volume);
    start();
  });
}

}  // namespace vk8s::agent
