// What an embedded host consists of, computed from its settings: names, addresses
// and folders. Pure; the same settings always give the same plan.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/node_config.h"
#include "base/cidr.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::host {

// What is decided once, at the first `up`, and kept in the state folder
// (host.json); later `up`s may raise node_count and change rootfs and version.
struct HostSettings {
  std::string name = "vk8s";  // prefix of bridge, namespaces, containers, cgroup
  std::string subnet = "198.18.0.0/16";
  std::string pod_network_cidr = "198.19.0.0/17";
  std::string service_cidr = "198.19.128.0/17";
  std::string kubernetes_version;  // "1.37.2"
  std::string rootfs;              // unpacked vnode image; read only
  std::string registry_rootfs;     // unpacked registry image; "" = no registry
  int node_count = 1;              // the first is the master
  bool operator==(const HostSettings&) const = default;
};

inline constexpr int kMaxNodes = 64;
inline constexpr std::string_view kRegistryName = "registry";

// Refuses what cannot work, naming the option.
Status validate(const HostSettings& settings);

Json to_json(const HostSettings& settings);
Result<HostSettings> parse_host_settings(std::string_view json);

// One container of the host, a node or the registry: what it is called and where
// it lives.
struct ContainerPlan {
  std::string name;     // "host-1"; also its host name
  std::string id;       // "vk8s-host-1": runc's name of it
  std::string netns;    // the same
  std::string link;     // the machine's end of its cable, "vk8sn1"
  std::string address;  // "198.18.0.10"
  std::string cgroup;   // "/vk8s-host/host-1"
  std::string folder;   // all its state: <state>/host-1
};

struct NodePlan {
  ContainerPlan container;
  api::NodeRole role = api::NodeRole::kMaster;
  std::string pod_cidr;  // its /24
};

struct HostPlan {
  std::string name;            // of the host
  std::string bridge;          // "vk8s0"
  std::string bridge_address;  // "198.18.0.1"
  int prefix_length = 16;
  std::string cgroup;      // "/vk8s-host"
  std::string run_folder;  // "/run/vk8s-host": gone after a reboot
  std::string state_folder;
  std::string api_server;  // "https://198.18.0.10:6443"
  // For pods that keep their addresses: the upper quarter of the pod network, which the
  // nodes' own networks do not reach; "" where they do.
  std::string address_pool;
  ContainerPlan registry;  // whether it is wanted or not
  std::vector<NodePlan> nodes;
};

// Of valid settings.
Result<HostPlan> make_plan(const HostSettings& settings, const std::string& state_folder);

// node.json of a node.
api::NodeConfig make_node_config(const HostSettings& settings, const HostPlan& plan,
                                 const NodePlan& node);

}  // namespace vk8s::host
