// What every object that a cluster owns has in common.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "controller/cluster.h"
#include "kube/client.h"
#include "pki/pki.h"

namespace vk8s::controller {

struct ObjectRef {
  const kube::Resource* resource = nullptr;  // a constant of kube::resources
  kube::ObjectKey key;

  std::string to_string() const;  // "Service team-a/demo-peers"
};

kube::ObjectKey key_of(const Cluster& cluster);

// One owned object. Pure: the same cluster always gives the same object.
class Resource {
 public:
  virtual ~Resource() = default;

  virtual ObjectRef ref(const Cluster& cluster) const = 0;
  // Without this the object is deleted, or never made.
  virtual bool is_wanted(const Cluster&) const { return true; }
  virtual Json desired(const Cluster& cluster) const = 0;
};

// A Secret whose content is made once and kept: keys and certificates.
class SecretResource {
 public:
  virtual ~SecretResource() = default;

  virtual ObjectRef ref(const Cluster& cluster) const = 0;

  // What the content follows from beside the PKI: where this has not changed, the
  // Secret need not be read again.
  virtual std::string inputs(const Cluster& cluster) const = 0;

  // The files it must hold, given those it holds now (empty = there is no such Secret
  // yet) and the note left beside them. What is still right is kept. kNotFound: it was
  // there, and cannot be made anew.
  struct Content {
    api::FileSet files;
    std::string note;  // annotation kNoteAnnotation: what the files were made from
  };
  virtual Result<Content> content(const Cluster& cluster, const Content& existing,
                                  pki::WallTime now) const = 0;
};

inline constexpr std::string_view kNoteAnnotation = "vk8s.sktelecom.com/made-from";

// The objects of a cluster, in the order they are written in. One small file each.
std::unique_ptr<Resource> make_api_server_service();
std::unique_ptr<Resource> make_peers_service();
std::unique_ptr<Resource> make_ports_service();
std::unique_ptr<Resource> make_network_policy();
std::unique_ptr<Resource> make_node_stateful_set(std::string node_name);
std::unique_ptr<Resource> make_access_deployment();
std::unique_ptr<Resource> make_access_service();
std::unique_ptr<SecretResource> make_pki_secret();
std::unique_ptr<SecretResource> make_agent_ca_secret();
std::unique_ptr<SecretResource> make_node_config_secret(std::string node_name);

// Changes when the node must start anew to follow its spec: resolvers, names, mirror.
// Not where the host's own addresses change, and not with labels and taints, which
// NodeMetadata brings to the Node.
std::string node_config_fingerprint(const Cluster& cluster, const api::NodeSpec& node);

std::unique_ptr<SecretResource> make_kubeconfig_secret();
std::unique_ptr<SecretResource> make_password_secret();

// apiVersion, kind and metadata (labels of the cluster, the Vk8s as owner).
JsonObject object_of(const Cluster& cluster, const ObjectRef& ref);
ObjectRef ref_of(const Cluster& cluster, const kube::Resource& resource, std::string name);

// The pod of a node and its volume (nothing without one), as its StatefulSet makes
// them: for dry runs.
Json node_pod(const Cluster& cluster, const Json& stateful_set);
std::optional<Json> node_claim(const Cluster& cluster, const Json& stateful_set);

// Whether the volume of a node's StatefulSet is deleted with the node.
bool has_owned_claim(const Json& stateful_set);

// Whether the Vk8s is the controller of this object.
bool is_owned_by(const Json& object, std::string_view uid);

// Secret objects <-> files.
Json secret_object(const Cluster& cluster, const ObjectRef& ref,
                   const SecretResource::Content& content);
Result<SecretResource::Content> parse_secret(const Json& secret);

// A note that these inputs were used: it changes when one of them does.
std::string fingerprint(const std::vector<std::string_view>& inputs);

}  // namespace vk8s::controller
