#include "agent/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "ipnode/host_routes.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

constexpr auto kRetryDelay = std::chrono::seconds(1);
constexpr std::size_t kMaxWords = 1024;

std::string internal_ip(const Json& node) {
  const JsonArray* addresses = base::get_array(node, "status.addresses");
  for (std::size_t i = 0; addresses != nullptr && i < addresses->size(); ++i) {
    if (base::get_string((*addresses)[i], "type") == "InternalIP") {
      return std::string(base::get_string((*addresses)[i], "address").value_or(""));
    }
  }
  return {};
}

// Follows from the address, so that no node has to tell another its own.
std::string tunnel_mac(const IpAddress& address) {
  const auto bytes = address.bytes();
  return fmt::format("0a:58:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool is_of_overlay(const sys::Route& route) {
  return route.link == kOverlayLink && !route.gateway.empty();
}

}  // namespace

Result<IpAddress> tunnel_address(const std::string& pod_cidr) {
  return VK8S_TRY(Cidr::parse(pod_cidr)).network();
}

bool is_own(const OverlayPeer& peer, const api::NodeConfig& config) {
  return peer.node == config.node_name || peer.pod_cidr == config.pod_cidr;
}

std::optional<OverlayPeer> read_peer(const Json& node, const api::NodeConfig& config) {
  OverlayPeer peer{.node = std::string(base::get_string(node, "metadata.name").value_or("")),
                   .node_ip = internal_ip(node),
                   .pod_cidr = std::string(base::get_string(node, "spec.podCIDR").value_or(""))};
  const auto ip = IpAddress::parse(peer.node_ip);
  const auto pods = Cidr::parse(peer.pod_cidr);
  const auto network = Cidr::parse(config.pod_network_cidr);
  const bool valid = ip && ip->is_v4() && pods && pods->is_v4() && network &&
                     network->contains(*pods) && *network != *pods;
  return valid ? std::optional(std::move(peer)) : std::nullopt;
}

void add_static_addresses(const ipnode::AddressesByNode& addresses, const api::NodeConfig& config,
                          std::vector<OverlayPeer>& peers) {
  const auto network = Cidr::parse(config.pod_network_cidr);
  const auto is_in = [](const IpAddress& address) {
    return [&address](const std::string& text) {
      const auto cidr = Cidr::parse(text);
      return !cidr || cidr->contains(address);
    };
  };
  const auto is_free = [&](const IpAddress& address) {
    const auto holds = is_in(address);
    return network && network->contains(address) && !holds(config.pod_cidr) &&
           std::none_of(peers.begin(), peers.end(),
                        [&](const OverlayPeer& peer) { return holds(peer.pod_cidr); });
  };
  for (OverlayPeer& peer : peers) {
    const auto pods = addresses.find(peer.node);
    if (pods != addresses.end()) {
      std::copy_if(pods->second.begin(), pods->second.end(),
                   std::back_inserter(peer.static_addresses), is_free);
    }
  }
}

Result<OverlayState> overlay_state(const api::NodeConfig& config,
                                   const std::vector<OverlayPeer>& peers) {
  const IpAddress own = VK8S_TRY(tunnel_address(config.pod_cidr));
  const std::string link(kOverlayLink);
  OverlayState state;
  for (const OverlayPeer& peer : peers) {
    if (is_own(peer, config)) {
      continue;
    }
    const IpAddress tunnel = VK8S_TRY(tunnel_address(peer.pod_cidr));
    const std::string mac = tunnel_mac(tunnel);
    state.fdb.push_back({.mac = mac, .remote_address = peer.node_ip, .link = link});
    state.neighbours.push_back({.address = tunnel.to_string(), .mac = mac, .link = link});
    sys::Route route{.destination = peer.pod_cidr,
                     .gateway = tunnel.to_string(),
                     .link = link,
                     .source = own.to_string(),
                     .on_link = true,
                     .mtu = static_cast<std::uint32_t>(peer.path_mtu)};
    state.routes.push_back(route);
    for (const IpAddress& address : peer.static_addresses) {
      route.destination = address.to_string() + "/32";
      // While a pod moves here, its own interface's route stands above this one.
      route.metric = ipnode::kStaticRouteMetric;
      state.routes.push_back(route);
    }
  }
  return state;
}

std::string overlay_rules(const std::vector<OverlayPeer>& peers) {
  std::string addresses;
  for (const OverlayPeer& peer : peers) {
    addresses += (addresses.empty() ? "" : ", ") + peer.node_ip;
  }
  // Added, then deleted, then made: the table is replaced whatever was there.
  return fmt::format(
      R"(table ip vk8s-overlay
delete table ip vk8s-overlay
table ip vk8s-overlay {{
  set peers {{
    type ipv4_addr
    {elements}
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    udp dport {port} ip saddr != @peers drop
  }}
  # Of the routes to both ends, so that either end's node saves both directions.
  chain forward {{
    type filter hook forward priority mangle; policy accept;
    oifname "{link}" tcp flags syn tcp option maxseg size set rt mtu
    iifname "{link}" tcp flags syn tcp option maxseg size set rt mtu
  }}
}}
)",
      fmt::arg("port", kOverlayPort), fmt::arg("link", kOverlayLink),
      fmt::arg("elements",
               addresses.empty() ? std::string() : fmt::format("elements = {{ {} }}", addresses)));
}

Status create_overlay_link(const api::NodeConfig& config, const NodeFacts& facts) {
  const std::string link(kOverlayLink);
  const IpAddress own = VK8S_TRY(tunnel_address(config.pod_cidr));
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  VK8S_TRY(netlink.delete_link(link));
  VK8S_TRY_CONTEXT(netlink.create_vxlan({.name = link,
                                         .udp_port = kOverlayPort,
                                         .mtu = static_cast<std::uint32_t>(facts.pod_mtu),
                                         .local_address = facts.node_ip,
                                         .mac = tunnel_mac(own)}),
                   "make the VXLAN device {}", link);
  VK8S_TRY(netlink.add_address(link, own.to_string() + "/32"));
  return netlink.set_up(link);
}

Overlay::Overlay(Timers& timers, ProcessRunner& runner, const NodePaths& paths,
                 const api::NodeConfig& config, Log log)
    : timers_(timers), runner_(runner), paths_(paths), config_(config), log_(std::move(log)) {}

Overlay::~Overlay() = default;

void Overlay::set_peers(std::vector<OverlayPeer> peers) {
  std::sort(peers.begin(), peers.end());
  peers_ = std::move(peers);
  apply();
}

void Overlay::apply() {
  if (applied_ == peers_ || nft_) {
    return;  // on_rules_done() looks again
  }
  retry_.cancel();
  if (const Status linked = apply_links(); !linked) {
    log_.error("routes to other nodes cannot be set", {{"error", linked.error().message()}});
    retry_later();
    return;
  }
  apply_rules();
}

Status Overlay::apply_links() {
  const OverlayState wanted = VK8S_TRY(overlay_state(config_, peers_));
  sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
  const std::string link(kOverlayLink);
  for (const sys::Route& route : VK8S_TRY(netlink.list_routes())) {
    if (is_of_overlay(route) &&
        std::none_of(wanted.routes.begin(), wanted.routes.end(), [&](const auto& w) {
          return w.destination == route.destination && w.metric == route.metric;
        })) {
      VK8S_TRY(netlink.delete_route(route));
    }
  }
  for (const sys::Neighbour& neighbour : VK8S_TRY(netlink.list_neighbours(link))) {
    if (!contains(wanted.neighbours, neighbour)) {
      VK8S_TRY(netlink.delete_neighbour(neighbour));
    }
  }
  for (const sys::FdbEntry& entry : VK8S_TRY(netlink.list_fdb(link))) {
    if (!contains(wanted.fdb, entry)) {
      VK8S_TRY(netlink.delete_fdb(entry));
    }
  }
  for (const sys::FdbEntry& entry : wanted.fdb) {
    VK8S_TRY(netlink.replace_fdb(entry));
  }
  for (const sys::Neighbour& neighbour : wanted.neighbours) {
    VK8S_TRY(netlink.replace_neighbour(neighbour));
  }
  for (const sys::Route& route : wanted.routes) {
    VK8S_TRY(netlink.replace_route(route));
  }
  return {};
}

void Overlay::apply_rules() {
  const std::string file = paths_.run + "/overlay.nft";
  in_rules_ = peers_;
  nft_words_.clear();
  const Status written = sys::write_file(file, overlay_rules(peers_));
  auto process =
      written ? runner_.start({.argv = {"nft", "-f", file},
                               .environment = sys::scrubbed_environment(),
                               .die_with_parent = true},
                              {.on_output =
                                   [this](std::string_view bytes) {
                                     nft_words_.append(bytes.substr(
                                         0, kMaxWords - std::min(kMaxWords, nft_words_.size())));
                                   },
                               .on_exit = [this](sys::ExitStatus exit) { on_rules_done(exit); }})
              : tl::unexpected<Error>(written.error());
  if (!process) {
    log_.error("the filter of the overlay cannot be set", {{"error", process.error().message()}});
    retry_later();
    return;
  }
  nft_ = std::move(*process);
}

void Overlay::on_rules_done(sys::ExitStatus exit) {
  nft_.reset();
  if (!exit.success()) {
    log_.error("the filter of the overlay was not taken",
               {{"exit", exit.to_string()}, {"words", nft_words_}});
    retry_later();
    return;
  }
  applied_ = in_rules_;
  log_.info("overlay set", {{"nodes", applied_->size()}});
  if (told_) {
    told_(in_rules_);
  }
  apply();
}

void Overlay::retry_later() {
  retry_ = timers_.after(kRetryDelay, [this] { apply(); });
}

}  // namespace vk8s::agent
