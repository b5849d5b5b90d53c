// The configuration of each upstream program on a node. Pure: the same node
// gives the same text, so each is a unit test. argv carries paths, never secrets.
// Where Kubernetes versions differ, api::traits_of() the node's version decides.
#pragma once

#include <string>
#include <vector>

#include "agent/node_paths.h"
#include "api/node_config.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::agent {

// What the agent found out about the machine it runs on.
struct NodeFacts {
  std::string node_ip;                    // the pod's address
  std::string snapshotter = "overlayfs";  // or "native"
  bool can_raise_oom_score = true;        // CAP_SYS_RESOURCE
  std::int64_t machine_memory_bytes = 0;  // what /proc/meminfo says
  int machine_cpus = 0;
  bool nftables_proxy = true;             // kernel >= 5.13
  std::vector<std::string> name_servers;  // of the node's own resolv.conf
  int pod_mtu = 1450;                     // the node's interface less VXLAN's 50
  std::string registry_auth;              // what api::kRegistryAuthFile holds; "" = nothing
};

struct ConfigFile {
  std::string path;
  std::string content;
  unsigned mode = 0644;
};

using Argv = std::vector<std::string>;

Argv etcd_argv(const NodePaths& paths);
Argv containerd_argv(const NodePaths& paths);
Argv pause_import_argv(const api::NodeConfig& config, const NodePaths& paths,
                       const NodeFacts& facts);
Argv api_server_argv(const api::NodeConfig& config, const NodePaths& paths, const NodeFacts& facts);
Argv controller_manager_argv(const api::NodeConfig& config, const NodePaths& paths);
Argv scheduler_argv(const api::NodeConfig& config, const NodePaths& paths);
Argv kubelet_argv(const api::NodeConfig& config, const NodePaths& paths, const NodeFacts& facts);
Argv proxy_argv(const NodePaths& paths);
Argv coredns_argv(const NodePaths& paths);

// Every file that the programs of this node read, beside keys and kubeconfigs.
Result<std::vector<ConfigFile>> config_files(const api::NodeConfig& config, const NodePaths& paths,
                                             const NodeFacts& facts);

// The one of them that says what interfaces new pods get; containerd reads it again
// when it changes.
ConfigFile cni_config_file(const api::NodeConfig& config, const NodePaths& paths,
                           const NodeFacts& facts);

// Those of them that say how registries are reached; containerd reads them at each
// pull. One with credentials in it is for its owner alone.
std::vector<ConfigFile> registry_files(const api::NodeConfig& config, const NodePaths& paths,
                                       const NodeFacts& facts);

// Where CoreDNS listens: the network address of the pod CIDR.
Result<std::string> dns_listen_ip(const api::NodeConfig& config);

// Rules for `nft -f -`: what leaves the pod network is masqueraded.
std::string masquerade_rules(const api::NodeConfig& config);

// What of a machine's capacity is not for pods, so that Allocatable is the
// pod's limit less the control plane's share; "" = nothing is reserved.
struct Reserved {
  std::int64_t memory_bytes = 0;
  std::int64_t cpu_millis = 0;
};
Reserved reserved_for_system(const api::NodeConfig& config, const NodeFacts& facts);

}  // namespace vk8s::agent
