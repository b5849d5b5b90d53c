// One cluster as its resources see it: what the user asked for, and the facts
// of the host that the wanted objects follow from. A value; no I/O.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/cluster_pki.h"
#include "api/version_catalogue.h"
#include "api/vk8s.h"
#include "base/cidr.h"
#include "base/json.h"

namespace vk8s::controller {

inline constexpr int kApiServerPort = 6443;
inline constexpr int kAgentPort = 10300;

// Of a node's StatefulSet: the node's part of the pod network, for its life.
inline constexpr std::string_view kPodCidrAnnotation = "vk8s.sktelecom.com/pod-cidr";
// Likewise, once spec.nodes[] has labels or taints for the node: its Node inside is
// looked at. Where they never had any, nobody asks the API server inside.
inline constexpr std::string_view kLabelledAnnotation = "vk8s.sktelecom.com/labelled";

// How a host puts a fixed address on a pod.
enum class StaticIpMethod {
  kAuto,    // by what the host has
  kCalico,  // Calico's IPAM, by annotation
  kVk8s,    // the CNI plugin vk8s-ipam
  kNone,    // not at all: a wish for one ends in a condition
};

// What the administrator decides for all clusters.
struct Settings {
  std::string image_registry;                       // before the catalogue's images; "" = none
  std::map<std::string, std::string> vnode_images;  // instead of the catalogue's, by minor version
  std::vector<std::string> vnode_image_prefixes;    // beside the catalogue's own images
  bool tolerate_control_plane = false;              // may nodes tolerate control-plane taints
  // Where nodes look for the images of their pods, whatever registry these name.
  std::string registry_mirror;   // "https://registry.example:5000"; "" = none
  std::string registry_ca_pem;   // "" = the system's CAs
  std::string host_api_address;  // the host's own API server; "" = not an address
  // Add-ons that users may ask for: "registry.example/vk8s/addon-training@sha256:...", by name.
  std::map<std::string, std::string> addons;
  std::string addon_pull_secret;  // Secret of kSystemNamespace to read them with; "" = none
  StaticIpMethod static_ip_method = StaticIpMethod::kAuto;
};

// What the host says.
struct HostFacts {
  std::string api_address;  // cluster IP of Service <cr>; "" until it has one
  int api_node_port = 0;
  std::vector<std::string> node_addresses;  // of the host's nodes, sorted
};

// Of spec.ports[].service, by the port's name: the port on every node of the cluster.
using InnerNodePorts = std::map<std::string, int>;

// The fixed address of a node.
struct NodeAddress {
  IpAddress address;
  // Of the node's pod, beside the address itself: what the host's CNI plugin reads.
  std::map<std::string, std::string> annotations;
  bool operator==(const NodeAddress&) const = default;
};

struct Cluster {
  api::Vk8s vk8s;
  api::KubernetesRelease release;
  Settings settings;
  HostFacts host;
  std::map<std::string, std::string> pod_cidrs;  // by node name
  InnerNodePorts inner_ports;
  std::set<std::string> labelled_nodes;          // that have kLabelledAnnotation
  std::map<std::string, NodeAddress> addresses;  // of nodes that have a fixed one, by name
  std::set<std::string> held_back;  // nodes whose pod must not be made now: it lacks an address
  bool paused = false;              // no pod is to run
  bool exists = false;              // its master's StatefulSet is there
  // It exists and its spec cannot be met: its nodes stay what they are. Certificates
  // are renewed, nodes are stopped, started, labelled and removed all the same.
  bool frozen = false;
  api::FileSet pki;       // of Secret <cr>-pki; empty until it is known
  api::FileSet agent_ca;  // of Secret <cr>-agent-ca, likewise
  // For settings.registry_mirror (RegistryCredentials); "" = none.
  std::string registry_auth;

  const std::string& name() const { return vk8s.metadata.name; }
  const std::string& namespace_name() const { return vk8s.metadata.namespace_name; }

  std::string pki_secret() const { return name() + "-pki"; }
  std::string agent_ca_secret() const { return name() + "-agent-ca"; }
  std::string kubeconfig_secret() const { return name() + "-kubeconfig"; }
  // With a password that was generated, or moved out of the spec.
  std::string password_secret() const { return name() + "-kubeflow-password"; }
  std::string api_service() const { return name(); }
  std::string peers_service() const { return name() + "-peers"; }
  std::string ports_service() const { return name() + "-ports"; }
  std::string access_pod() const { return name() + "-access-pod"; }
  std::string access_service() const { return name() + "-access-svc"; }
  std::string network_policy() const { return name(); }

  // "https://<host node>:<node port>" for who is outside, the Service for who is inside.
  std::string external_endpoint() const;
  std::string internal_endpoint() const;

  std::string image_of(const api::NodeSpec& node) const;
};

// The release whose image this is, by the installation's images, else by its tag;
// nullptr = nobody knows.
const api::KubernetesRelease* release_of_image(const Settings& settings, std::string_view image);

std::string config_secret_of(std::string_view node_name);
std::string pod_of(std::string_view node_name);
std::string claim_of(std::string_view node_name);
// The name an agent's certificate carries and the controller verifies.
std::string agent_server_name(const Cluster& cluster, std::string_view node_name);

// Labels of everything of the cluster, and of what belongs to one node.
JsonObject cluster_labels(const Cluster& cluster);
JsonObject node_labels(const Cluster& cluster, const api::NodeSpec& node);

// Whether the spec gives the node labels or taints, or ever did.
bool is_labelled(const Cluster& cluster, const api::NodeSpec& node);

// kForbidden, naming the field and what is allowed, where a node's image or
// tolerations are not the administrator's.
Status check_policy(const Cluster& cluster);

}  // namespace vk8s::controller
