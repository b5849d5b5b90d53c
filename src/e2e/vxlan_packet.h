// What goes through the tunnel between the nodes of a cluster, made by hand: for who poses as one
// of them.
#pragma once

#include <cstdint>
#include <string>

#include "base/cidr.h"
#include "base/error.h"

namespace vk8s::e2e {

// A UDP datagram from one end of the tunnel to another.
struct InnerDatagram {
  std::string to_mac;  // "0a:58:64:48:01:00"
  std::string from_mac;
  IpAddress to;  // IPv4, both
  IpAddress from;
  std::uint16_t port = 0;  // at both ends
  std::string payload;
};

// The payload of the outer UDP packet: VXLAN header, Ethernet, IPv4, UDP. Source: RFC 7348,
// section 5. A MAC address that is none is kInvalidArgument.
Result<std::string> vxlan_packet(const InnerDatagram& datagram, std::uint32_t vni = 1);

}  // namespace vk8s::e2e
