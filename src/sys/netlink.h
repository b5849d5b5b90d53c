// Links, addresses, routes, neighbours and bridge FDB entries of one network
// namespace (NETLINK_ROUTE through libmnl; rtnetlink(7)).
//
// A socket stays in the namespace it was opened in, so one may be used from
// anywhere; one thread at a time. Links are named, not numbered: names are
// looked up in the socket's own namespace. Errors carry the kernel's own words
// (extended acknowledgement) where it gives some; kNotFound for an absent link.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "sys/netlink_address.h"
#include "sys/netns.h"

namespace vk8s::sys {

struct LinkStatistics {
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct Link {
  int index = 0;
  std::string name;
  std::string kind;  // "veth", "bridge", "vxlan", ... ; "" for a physical one and lo
  bool is_up = false;
  bool has_carrier = false;
  std::uint32_t mtu = 0;
  int master_index = 0;  // 0 = none
  std::string mac;       // "" if it has none
  LinkStatistics statistics;
};

struct VethSpec {
  std::string name;
  std::string peer_name;
  const NetNs* peer_namespace = nullptr;  // null = this one
  std::uint32_t mtu = 0;                  // 0 = the kernel's default
};

struct VxlanSpec {
  std::string name;
  std::uint32_t vni = 1;
  std::uint16_t udp_port = 14789;
  std::uint32_t mtu = 0;
  std::string local_address;  // "" = any
  std::string underlay;       // the link that carries it; "" = by the routes
  std::string mac;            // "" = random
};

struct Route {
  std::string destination;  // "10.0.0.0/24"; "0.0.0.0/0" and "::/0" are default routes
  std::string gateway;      // "" = directly on the link
  std::string link;
  std::string source;  // preferred source address, or ""
  std::uint32_t metric = 0;
  bool on_link = false;       // the gateway is reachable though no route says so
  std::uint32_t table = 0;    // 0 = main
  std::uint8_t protocol = 4;  // RTPROT_STATIC: who installed it (rtnetlink(7))
  std::uint32_t mtu = 0;      // 0 = the link's; forwarded packets are held to it, too
  bool operator==(const Route&) const = default;
};

struct Neighbour {
  std::string address;
  std::string mac;
  std::string link;
  bool operator==(const Neighbour&) const = default;
};

// Where a VXLAN device sends frames for a MAC address.
struct FdbEntry {
  std::string mac;
  std::string remote_address;
  std::string link;
  bool operator==(const FdbEntry&) const = default;
};

class Netlink {
 public:
  class Socket;  // netlink_message.h

  static Result<Netlink> open();  // in the calling thread's namespace
  static Result<Netlink> open_in(const NetNs& space);
  Netlink(Netlink&&) noexcept;
  Netlink& operator=(Netlink&&) noexcept;
  ~Netlink();

  Result<std::vector<Link>> list_links();
  Result<Link> get_link(const std::string& name);
  Status create_veth(const VethSpec& spec);  // these three: kAlreadyExists
  Status create_bridge(const std::string& name, std::uint32_t mtu = 0);
  Status create_vxlan(const VxlanSpec& spec);   // learning off
  Status delete_link(const std::string& name);  // absent is no error
  Status set_up(const std::string& name);
  Status set_down(const std::string& name);
  Status set_mtu(const std::string& name, std::uint32_t mtu);
  Status set_mac(const std::string& name, const std::string& mac);
  Status set_master(const std::string& name, const std::string& master);     // "" = none
  Status rename_link(const std::string& name, const std::string& new_name);  // while down
  Status move_link(const std::string& name, const NetNs& space);

  // "10.0.0.1/24". Present already, or absent already, is no error.
  Status add_address(const std::string& link, const std::string& address);
  Status remove_address(const std::string& link, const std::string& address);
  Result<std::vector<std::string>> list_addresses(const std::string& link);

  // Routes of unicast; a route is known by destination, table and metric.
  Status replace_route(const Route& route);
  Status delete_route(const Route& route);  // absent is no error
  Result<std::vector<Route>> list_routes(std::uint32_t table = 0);

  // Permanent entries.
  Status replace_neighbour(const Neighbour& neighbour);
  Status delete_neighbour(const Neighbour& neighbour);  // absent is no error
  Result<std::vector<Neighbour>> list_neighbours(const std::string& link);
  Status replace_fdb(const FdbEntry& entry);
  Status delete_fdb(const FdbEntry& entry);  // absent is no error
  Result<std::vector<FdbEntry>> list_fdb(const std::string& link);

 private:
  explicit Netlink(std::unique_ptr<Socket> socket);
  Result<int> index_of(const std::string& link);
  Status change_flags(const std::string& name, unsigned flags, unsigned mask);
  Status set_attribute(const std::string& name, int type, std::uint32_t value,
                       const std::string& what);

  std::unique_ptr<Socket> socket_;
};

}  // namespace vk8s::sys
