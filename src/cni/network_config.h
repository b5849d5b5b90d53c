// The network configuration that an IPAM plugin reads from standard input: that of
// the plugin in front, of which "ipam" is for us. It is host-local's with
//   "ipam": {"type": "vk8s-ipam", "delegate": "host-local",
//            "socket": "/run/vk8s/ipam.sock", "store": "/run/vk8s/static-ips", ...}
// Source: CNI specification 1.1.0, sections 1 and 3; host-local's documentation for
// ranges and routes. Pure; bytes of others (a pod's annotations are in it).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::cni {

inline constexpr std::string_view kPluginName = "vk8s-ipam";
// Of the plugin in front; containerd and CRI-O fill it with the pod's annotations.
inline constexpr std::string_view kAnnotationsCapability = "io.kubernetes.cri.pod-annotations";

// Versions of the specification, oldest first.
inline constexpr std::array<std::string_view, 3> kVersions = {"0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kLatestVersion = kVersions.back();

inline constexpr std::size_t kMaxConfigBytes = 1U << 20U;  // annotations alone: 256 KiB
inline constexpr int kMaxRanges = 64;
inline constexpr int kMaxRoutes = 256;
inline constexpr int kMaxAttachments = 16'384;

struct Attachment {
  std::string container_id;
  std::string interface_name;
  auto operator<=>(const Attachment&) const = default;
};

struct NetworkConfig {
  std::string version = std::string(kLatestVersion);
  std::string name;
  std::string delegate = "host-local";
  std::string socket = "/run/vk8s/ipam.sock";
  std::string store = "/run/vk8s/static-ips";
  // Whether the plugin in front hands annotations on; a pod may have none.
  bool has_annotations = false;
  std::optional<std::string> wanted_address;  // of the pod, as its annotation says it
  // The plugin in front is a bridge that takes the gateway's address itself.
  bool is_gateway_bridge = false;
  Json document;  // all of it, as it came
};

// kInvalidArgument names the field; kUnsupported: another version of the specification.
Result<NetworkConfig> parse_network_config(std::string_view text);

// What the delegate is given: the same for "type" it.
std::string config_for_delegate(const NetworkConfig& config);

// One range that the delegate gives addresses of.
struct AddressRange {
  Cidr subnet;
  IpAddress first;
  IpAddress last;
  IpAddress gateway;
};

// runtimeConfig.ipRanges, ipam.subnet, ipam.ranges.
Result<std::vector<AddressRange>> parse_ranges(const NetworkConfig& config);

// How an address that the pod brings along fits into the node's network.
struct Placement {
  int prefix_length = 0;
  IpAddress gateway;
};

// In a range's subnet: its mask and gateway. Elsewhere: the longest prefix that holds
// both the address and the gateway of the first range of its family, so that both
// are of one network and neither is its first or last address. Refused is an address
// that the delegate may give to another pod, or that is the node's own; and, behind a
// bridge that is the gateway, one that lies in no range's subnet: such a bridge takes the
// prefix for its own, so that it would answer for the pods of all other nodes.
Result<Placement> place(const IpAddress& address, const std::vector<AddressRange>& ranges,
                        bool is_gateway_bridge);

// ipam.routes, of the address's family; each as it came.
Result<JsonArray> routes_for(const IpAddress& address, const NetworkConfig& config);

// CHECK: the addresses in prevResult.
Result<std::vector<IpAddress>> previous_addresses(const NetworkConfig& config);

// GC: "cni.dev/valid-attachments".
Result<std::vector<Attachment>> valid_attachments(const NetworkConfig& config);

}  // namespace vk8s::cni
