// The network between the nodes of one cluster: a VXLAN device on each node and,
// for every other node, routes to its pods, its tunnel end's MAC address and
// where that is. Nothing is learnt or flooded: all of it follows from the Nodes.
// Source: RFC 7348; flannel's backend/vxlan for one route, one neighbour and one
// FDB entry a node.
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/component_config.h"
#include "agent/node_paths.h"
#include "agent/process_runner.h"
#include "base/cidr.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "ipnode/static_pods.h"
#include "sys/netlink.h"

namespace vk8s::agent {

inline constexpr std::string_view kOverlayLink = "vk8s-vxlan";
// Not 4789: some hosts' networks drop the VXLAN of workloads there.
inline constexpr std::uint16_t kOverlayPort = 14789;

struct OverlayPeer {
  std::string node;
  std::string node_ip;
  std::string pod_cidr;
  int path_mtu = 0;  // what the way there carries; 0 = what the device does
  // Of pods on it that are in no node's pod CIDR.
  std::vector<IpAddress> static_addresses = {};
  auto operator<=>(const OverlayPeer&) const = default;
};

// What a Node says of itself; nothing while it has no IPv4 address or no pod CIDR
// inside the cluster's. Pure.
std::optional<OverlayPeer> read_peer(const Json& node, const api::NodeConfig& config);

// Adds to each peer the static addresses of its pods. Left out is what lies outside the
// cluster's pod network or in a node's pod CIDR: a route there would take others'
// packets. Pure.
void add_static_addresses(const ipnode::AddressesByNode& addresses, const api::NodeConfig& config,
                          std::vector<OverlayPeer>& peers);

// A node's tunnel end: the network address of its pods, which no pod has. Pure.
Result<IpAddress> tunnel_address(const std::string& pod_cidr);

bool is_own(const OverlayPeer& peer, const api::NodeConfig& config);

// What the kernel must hold beside the device. Pure. Peers are valid; the node's
// own entry among them is left out.
struct OverlayState {
  std::vector<sys::FdbEntry> fdb;
  std::vector<sys::Neighbour> neighbours;
  std::vector<sys::Route> routes;
  bool operator==(const OverlayState&) const = default;
};
Result<OverlayState> overlay_state(const api::NodeConfig& config,
                                   const std::vector<OverlayPeer>& peers);

// For `nft -f -`: VXLAN from anybody but these nodes is dropped, and TCP through the
// tunnel is held to segments that the path carries. Pure.
std::string overlay_rules(const std::vector<OverlayPeer>& peers);

// Makes the device, with the address CoreDNS listens on at a master and that the
// node's own packets to other nodes' pods carry. What an earlier start left is
// replaced. In the calling thread's network namespace.
Status create_overlay_link(const api::NodeConfig& config, const NodeFacts& facts);

// One thread: the loop's. What is passed in outlives it.
class Overlay {
 public:
  Overlay(Timers& timers, ProcessRunner& runner, const NodePaths& paths,
          const api::NodeConfig& config, Log log);
  ~Overlay();

  // Makes the kernel's state that of these peers; tries again until it is.
  void set_peers(std::vector<OverlayPeer> peers);
  // Whether the kernel holds what was last set.
  bool is_applied() const { return applied_ == peers_; }
  // Told each time the kernel holds others than before; may call set_peers().
  void on_applied(std::function<void(const std::vector<OverlayPeer>&)> told) {
    told_ = std::move(told);
  }

 private:
  void apply();
  Status apply_links();
  void apply_rules();
  void on_rules_done(sys::ExitStatus exit);
  void retry_later();

  Timers& timers_;
  ProcessRunner& runner_;
  const NodePaths& paths_;
  const api::NodeConfig& config_;
  Log log_;
  std::vector<OverlayPeer> peers_;                   // wanted
  std::optional<std::vector<OverlayPeer>> applied_;  // in the kernel, links and rules
  std::vector<OverlayPeer> in_rules_;                // what the running nft was given
  std::function<void(const std::vector<OverlayPeer>&)> told_;
  std::unique_ptr<RunningProcess> nft_;
  std::string nft_words_;
  Registration retry_;
};

}  // namespace vk8s::agent
