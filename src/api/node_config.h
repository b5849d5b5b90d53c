// What one node is told: node.json in its configuration directory. The
// controller (for vnodes) and the embedded host (for host nodes) write it; the
// agent reads it. Nothing in it is secret: keys lie in files beside it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::api {

enum class NodeRole { kMaster, kWorker };

std::string_view to_string(NodeRole role);  // "master", "worker"

struct Taint {
  std::string key;
  std::string value;
  std::string effect;  // NoSchedule, PreferNoSchedule, NoExecute
  bool operator==(const Taint&) const = default;
};

// A registry as containerd's hosts.toml knows it: pulls from `name` go to `url`.
struct RegistryMirror {
  std::string name;     // "docker.io", "registry.example:5000", or "*" for every registry
  std::string url;      // "https://198.18.0.2:5000"
  std::string ca_file;  // in the configuration directory; "" = the system's CAs
  bool operator==(const RegistryMirror&) const = default;
};

struct NodeConfig {
  std::string cluster_name;
  std::string node_name;
  NodeRole role = NodeRole::kMaster;

  std::string kubernetes_version;  // "1.37.2"
  std::string pod_network_cidr;    // "100.72.0.0/16"
  std::string service_cidr;        // "100.80.0.0/16"; .1 is the API server, .10 DNS
  // This node's own part of pod_network_cidr ("100.72.0.0/24"), assigned once and
  // for the node's life by who writes this file. The agent claims it on its Node
  // object, so pods start without waiting for kube-controller-manager.
  std::string pod_cidr;
  std::string cluster_domain = "cluster.local";

  // Where this node and its kubelet reach the API server: "https://host:6443".
  // "" on a master: its own.
  std::string api_server;
  std::vector<std::string> api_server_sans;  // more names and addresses for its certificate

  std::vector<std::string> upstream_dns;      // "" = those of the node's /etc/resolv.conf
  std::map<std::string, std::string> labels;  // never kVolumesLabel
  std::vector<Taint> taints;
  std::vector<RegistryMirror> mirrors;

  // The pod's limits; 0 = unlimited (a host node).
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t storage_bytes = 0;

  // Volumes inside may lie on this node: its state outlives its pod, or its user
  // said that it need not. The Node carries kVolumesLabel then.
  bool offers_volumes = false;

  // A node of the embedded host: it may run privileged vnodes, and its cgroup is
  // the root of its own.
  bool is_host_node = false;

  bool operator==(const NodeConfig&) const = default;
};

// Label of the Nodes on which the default StorageClass makes volumes ("true"). The
// agent keeps it, from NodeConfig::offers_volumes.
inline constexpr std::string_view kVolumesLabel = "vk8s.sktelecom.com/volumes";

// apiVersion of what controller and agent tell each other (node.json, /v1/status).
inline constexpr std::string_view kAgentApiVersion = "agent.vk8s.sktelecom.com/v1alpha1";

// Whether a node could be made of it: names, versions and addresses well formed,
// the three networks of one family, pod_cidr inside pod_network_cidr, Pods and
// Services apart. kInvalidArgument names the JSON field. Writers check before
// they write; parse_node_config() checks it too.
Status validate(const NodeConfig& config);

Json to_json(const NodeConfig& config);

// Refuses unknown versions and fields, missing or malformed fields, with the
// field's path. At most 256 KiB.
Result<NodeConfig> parse_node_config(std::string_view json);

// Files of the configuration directory.
inline constexpr std::string_view kNodeConfigFile = "node.json";
// Base64 of "user:password" (check_registry_auth()), for the mirror of every registry
// ("*"). It may be missing, and come, change and go while the node runs.
inline constexpr std::string_view kRegistryAuthFile = "registry-auth";

}  // namespace vk8s::api
