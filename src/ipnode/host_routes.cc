#include "ipnode/host_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "sys/netlink_address.h"

namespace vk8s::ipnode {
namespace {

std::string name_of(const Json& object) {
  return std::string(base::get_string(object, "metadata.name").value_or(""));
}

std::vector<IpAddress> internal_ips(const Json& node) {
  std::vector<IpAddress> out;
  const JsonArray* addresses = base::get_array(node, "status.addresses");
  for (std::size_t i = 0; addresses != nullptr && i < addresses->size(); ++i) {
    const auto ip = IpAddress::parse(base::get_string((*addresses)[i], "address").value_or(""));
    if (ip && base::get_string((*addresses)[i], "type") == "InternalIP") {
      out.push_back(*ip);
    }
  }
  return out;
}

std::vector<Cidr> pod_cidrs(const Json& node) {
  std::vector<Cidr> out;
  const auto add = [&](std::string_view text) {
    if (const auto cidr = Cidr::parse(text)) {
      out.push_back(*cidr);
    }
  };
  add(base::get_string(node, "spec.podCIDR").value_or(""));
  const JsonArray* all = base::get_array(node, "spec.podCIDRs");
  for (std::size_t i = 0; all != nullptr && i < all->size(); ++i) {
    add((*all)[i].is_string() ? std::string_view((*all)[i].get_string()) : std::string_view());
  }
  return out;
}

// What the nodes themselves have.
struct Known {
  std::map<std::string, std::vector<IpAddress>> addresses;  // by node
  std::set<IpAddress> taken;
  std::vector<Cidr> pods;

  bool is_of_a_node(const IpAddress& address) const {
    return taken.contains(address) || std::any_of(pods.begin(), pods.end(), [&](const Cidr& cidr) {
             return cidr.contains(address);
           });
  }
};

Known know(const std::vector<kube::ObjectPtr>& nodes) {
  Known out;
  for (const kube::ObjectPtr& node : nodes) {
    const auto ips = internal_ips(*node);
    out.taken.insert(ips.begin(), ips.end());
    const auto cidrs = pod_cidrs(*node);
    out.pods.insert(out.pods.end(), cidrs.begin(), cidrs.end());
    out.addresses.emplace(name_of(*node), ips);
  }
  return out;
}

struct LinkNetwork {
  std::string link;
  Cidr network;
};

Result<std::vector<LinkNetwork>> link_networks(sys::Netlink& netlink) {
  std::vector<LinkNetwork> out;
  for (const sys::Link& link : VK8S_TRY(netlink.list_links())) {
    if (!link.is_up) {
      continue;
    }
    for (const std::string& text : VK8S_TRY(netlink.list_addresses(link.name))) {
      const auto own = VK8S_TRY(sys::InterfaceAddress::parse(text));
      if (own.prefix_length < own.address.bits()) {
        out.push_back({link.name, VK8S_TRY(Cidr::around(own.address, own.prefix_length))});
      }
    }
  }
  return out;
}

std::optional<std::string> link_to(const IpAddress& gateway,
                                   const std::vector<LinkNetwork>& networks) {
  const LinkNetwork* best = nullptr;
  for (const LinkNetwork& each : networks) {
    if (each.network.contains(gateway) &&
        (best == nullptr || each.network.prefix_length() > best->network.prefix_length())) {
      best = &each;
    }
  }
  return best == nullptr ? std::nullopt : std::optional(best->link);
}

}  // namespace

std::vector<HostRoute> host_routes(const std::string& own_node,
                                   const std::vector<kube::ObjectPtr>& nodes,
                                   const AddressesByNode& addresses) {
  const Known known = know(nodes);
  std::vector<HostRoute> out;
  for (const auto& [node, ips] : known.addresses) {
    const auto pods = addresses.find(node);
    if (node == own_node || pods == addresses.end()) {
      continue;
    }
    for (const IpAddress& address : pods->second) {
      const auto gateway = std::find_if(ips.begin(), ips.end(), [&](const IpAddress& ip) {
        return ip.is_v4() == address.is_v4();
      });
      if (gateway != ips.end() && !known.is_of_a_node(address)) {
        out.push_back({.destination = address, .gateway = *gateway});
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<HostRoute>> set_host_routes(sys::Netlink& netlink,
                                               const std::vector<HostRoute>& wanted) {
  const auto networks = VK8S_TRY(link_networks(netlink));
  std::vector<HostRoute> without_link;
  std::map<std::string, sys::Route> routes;  // by destination
  for (const HostRoute& each : wanted) {
    const auto link = link_to(each.gateway, networks);
    if (!link) {
      without_link.push_back(each);
      continue;
    }
    const std::string destination =
        fmt::format("{}/{}", each.destination.to_string(), each.destination.bits());
    routes[destination] = {.destination = destination,
                           .gateway = each.gateway.to_string(),
                           .link = *link,
                           .metric = kStaticRouteMetric,
                           .protocol = kHostRouteProtocol};
  }
  for (const sys::Route& route : VK8S_TRY(netlink.list_routes())) {
    if (route.protocol == kHostRouteProtocol && !routes.contains(route.destination)) {
      VK8S_TRY(netlink.delete_route(route));
    }
  }
  for (const auto& [destination, route] : routes) {
    VK8S_TRY(netlink.replace_route(route));
  }
  return without_link;
}

}  // namespace vk8s::ipnode
