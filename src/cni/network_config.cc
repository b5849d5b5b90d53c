#include "cni/network_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/ip_allocation.h"
#include "base/text.h"

namespace vk8s::cni {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxPathBytes = 1024;
constexpr std::size_t kMaxShownBytes = 80;
// Two addresses that have less in common are of two networks.
constexpr int kShortestPrefix = 8;

const Json* member(const Json& value, std::string_view key) {
  const JsonObject* object = value.if_object();
  const Json* found = object == nullptr ? nullptr : object->if_contains({key.data(), key.size()});
  return found == nullptr || found->is_null() ? nullptr : found;
}

// Absent is empty.
Result<std::string> text_of(const Json& value, std::string_view path, std::string_view key) {
  const Json* found = member(value, key);
  if (found == nullptr) {
    return std::string();
  }
  if (!found->is_string()) {
    return fail(Errc::kInvalidArgument, "{}{} must be a string", path, key);
  }
  return std::string(found->get_string());
}

Result<JsonArray> list_of(const Json& value, std::string_view path, std::string_view key,
                          int most) {
  const Json* found = member(value, key);
  if (found == nullptr) {
    return JsonArray{};
  }
  if (!found->is_array() || found->get_array().size() > static_cast<std::size_t>(most)) {
    return fail(Errc::kInvalidArgument, "{}{} must be a list of at most {}", path, key, most);
  }
  return found->get_array();
}

// Of a network or a program: it becomes part of a path.
bool is_file_name(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kMaxNameBytes && is_plain(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_plain(c) || c == '_' || c == '.' || c == '-'; });
}

Status read_path(const Json& ipam, std::string_view key, std::string& out) {
  const std::string text = VK8S_TRY(text_of(ipam, "ipam.", key));
  if (text.empty()) {
    return {};
  }
  if (text.front() != '/' || base::printable(text, kMaxPathBytes) != text) {
    return fail(Errc::kInvalidArgument, "ipam.{} must be an absolute path of at most {} bytes", key,
                kMaxPathBytes);
  }
  out = text;
  return {};
}

Status read_ipam(const Json& ipam, NetworkConfig& out) {
  const std::string delegate = VK8S_TRY(text_of(ipam, "ipam.", "delegate"));
  if (!delegate.empty()) {
    out.delegate = delegate;
  }
  if (!is_file_name(out.delegate) || out.delegate == kPluginName) {
    return fail(Errc::kInvalidArgument, "ipam.delegate is \"{}\": it must be another IPAM plugin",
                base::printable(out.delegate, kMaxShownBytes));
  }
  VK8S_TRY(read_path(ipam, "socket", out.socket));
  return read_path(ipam, "store", out.store);
}

// isDefaultGateway is isGateway and more.
bool is_gateway_bridge(const Json& document) {
  return base::get_string(document, "type") == "bridge" &&
         (base::get_bool(document, "isGateway").value_or(false) ||
          base::get_bool(document, "isDefaultGateway").value_or(false));
}

Status read_annotations(NetworkConfig& out) {
  const Json* runtime = member(out.document, "runtimeConfig");
  const JsonObject* all = runtime == nullptr ? nullptr : runtime->if_object();
  const Json* annotations =
      all == nullptr
          ? nullptr
          : all->if_contains({kAnnotationsCapability.data(), kAnnotationsCapability.size()});
  // null: the runtime knows of them, and the pod has none.
  out.has_annotations = annotations != nullptr;
  const Json* wanted = out.has_annotations ? member(*annotations, api::kIpAnnotation) : nullptr;
  if (wanted == nullptr) {
    return {};
  }
  if (!wanted->is_string()) {
    return fail(Errc::kInvalidArgument, "annotation {} must be a string", api::kIpAnnotation);
  }
  out.wanted_address = std::string(wanted->get_string());
  return {};
}

Result<IpAddress> address_in(const Json& range, std::string_view path, std::string_view key,
                             const AddressRange& of, const IpAddress& otherwise) {
  const std::string text = VK8S_TRY(text_of(range, path, key));
  if (text.empty()) {
    return otherwise;
  }
  const IpAddress address = VK8S_TRY_CONTEXT(IpAddress::parse(text), "{}{}", path, key);
  if (address.is_v4() != of.subnet.is_v4()) {
    return fail(Errc::kInvalidArgument, "{}{} is {}: subnet {} is of the other family", path, key,
                text, of.subnet.to_string());
  }
  return address;
}

// Of a range's ends host-local says the same, but only once a pod asks it.
Status check_end(const AddressRange& range, const IpAddress& end, std::string_view path,
                 std::string_view key) {
  if (!range.subnet.contains(end)) {
    return fail(Errc::kInvalidArgument, "{}{} is {}: it is not in subnet {}", path, key,
                end.to_string(), range.subnet.to_string());
  }
  return {};
}

// Defaults are host-local's. A gateway may lie outside, as with ptp.
Result<AddressRange> parse_range(const Json& range, std::string_view path) {
  AddressRange out;
  const std::string subnet = VK8S_TRY(text_of(range, path, "subnet"));
  out.subnet = VK8S_TRY_CONTEXT(Cidr::parse(subnet), "{}subnet", path);
  const IpAddress second = VK8S_TRY_CONTEXT(out.subnet.nth(1), "{}subnet", path);
  out.first = VK8S_TRY(address_in(range, path, "rangeStart", out, second));
  out.last = VK8S_TRY(address_in(range, path, "rangeEnd", out, out.subnet.last()));
  VK8S_TRY(check_end(out, out.first, path, "rangeStart"));
  VK8S_TRY(check_end(out, out.last, path, "rangeEnd"));
  out.gateway = VK8S_TRY(address_in(range, path, "gateway", out, second));
  return out;
}

Status add_range_sets(const JsonArray& sets, std::string_view path,
                      std::vector<AddressRange>& out) {
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const JsonArray* ranges = sets[i].if_array();
    if (ranges == nullptr) {
      return fail(Errc::kInvalidArgument, "{}[{}] must be a list", path, i);
    }
    for (std::size_t j = 0; j < ranges->size(); ++j) {
      if (out.size() >= static_cast<std::size_t>(kMaxRanges)) {
        return fail(Errc::kInvalidArgument, "{} has more than {} ranges", path, kMaxRanges);
      }
      out.push_back(VK8S_TRY(parse_range((*ranges)[j], fmt::format("{}[{}][{}].", path, i, j))));
    }
  }
  return {};
}

int common_prefix(const IpAddress& a, const IpAddress& b) {
  int bits = 0;
  for (std::size_t i = 0; i < a.bytes().size(); ++i) {
    for (unsigned mask = 0x80; mask != 0; mask >>= 1U, ++bits) {
      if (((a.bytes()[i] ^ b.bytes()[i]) & mask) != 0) {
        return bits;
      }
    }
  }
  return bits;
}

bool is_edge(const Cidr& block, const IpAddress& address) {
  return address == block.network() || (block.is_v4() && address == block.last());
}

// Whether the range leaves the address to whoever brings it along.
Status check_free(const IpAddress& address, const AddressRange& range) {
  if (address == range.gateway || is_edge(range.subnet, address)) {
    return fail(Errc::kInvalidArgument, "address {} is this node's own, of {}", address.to_string(),
                range.subnet.to_string());
  }
  if (range.first <= address && address <= range.last) {
    return fail(Errc::kInvalidArgument,
                "address {} is one of those that this node gives to its other pods ({} to {}): "
                "its VNodeIPPool must lie outside",
                address.to_string(), range.first.to_string(), range.last.to_string());
  }
  return {};
}

Result<Placement> place_beside(const IpAddress& address, const AddressRange& range) {
  int prefix_length = common_prefix(address, range.gateway);
  for (; prefix_length >= kShortestPrefix; --prefix_length) {
    const Cidr block = VK8S_TRY(Cidr::around(address, prefix_length));
    if (!is_edge(block, address) && !is_edge(block, range.gateway)) {
      return Placement{.prefix_length = prefix_length, .gateway = range.gateway};
    }
  }
  return fail(Errc::kInvalidArgument,
              "address {} and this node's {} are not of one network: its VNodeIPPool must lie in "
              "the pod network",
              address.to_string(), range.subnet.to_string());
}

}  // namespace

Result<NetworkConfig> parse_network_config(std::string_view text) {
  NetworkConfig out;
  out.document = VK8S_TRY(base::parse_json(text, kMaxConfigBytes));
  if (!out.document.is_object()) {
    return fail(Errc::kInvalidArgument, "the network configuration must be an object");
  }
  out.version = VK8S_TRY(text_of(out.document, "", "cniVersion"));
  if (std::find(kVersions.begin(), kVersions.end(), out.version) == kVersions.end()) {
    return fail(Errc::kUnsupported, "cniVersion \"{}\" is not supported: there are {}",
                base::printable(out.version, kMaxShownBytes), fmt::join(kVersions, ", "));
  }
  out.name = VK8S_TRY(text_of(out.document, "", "name"));
  if (!is_file_name(out.name)) {
    return fail(Errc::kInvalidArgument, "name \"{}\" is not the name of a network",
                base::printable(out.name, kMaxShownBytes));
  }
  const Json* ipam = member(out.document, "ipam");
  if (ipam == nullptr || !ipam->is_object()) {
    return fail(Errc::kInvalidArgument, "ipam must be an object");
  }
  VK8S_TRY(read_ipam(*ipam, out));
  VK8S_TRY(read_annotations(out));
  out.is_gateway_bridge = is_gateway_bridge(out.document);
  return out;
}

std::string config_for_delegate(const NetworkConfig& config) {
  Json document = config.document;
  document.get_object()["ipam"].get_object()["type"] = config.delegate;
  return base::to_string(document);
}

Result<std::vector<AddressRange>> parse_ranges(const NetworkConfig& config) {
  std::vector<AddressRange> out;
  if (const Json* runtime = member(config.document, "runtimeConfig")) {
    VK8S_TRY(add_range_sets(VK8S_TRY(list_of(*runtime, "runtimeConfig.", "ipRanges", kMaxRanges)),
                            "runtimeConfig.ipRanges", out));
  }
  const Json& ipam = *member(config.document, "ipam");
  if (member(ipam, "subnet") != nullptr) {
    out.push_back(VK8S_TRY(parse_range(ipam, "ipam.")));
  }
  VK8S_TRY(
      add_range_sets(VK8S_TRY(list_of(ipam, "ipam.", "ranges", kMaxRanges)), "ipam.ranges", out));
  return out;
}

Result<Placement> place(const IpAddress& address, const std::vector<AddressRange>& ranges,
                        bool is_gateway_bridge) {
  const AddressRange* around = nullptr;
  const AddressRange* beside = nullptr;
  for (const AddressRange& range : ranges) {
    if (range.subnet.is_v4() != address.is_v4()) {
      continue;
    }
    VK8S_TRY(check_free(address, range));
    const AddressRange*& kind = range.subnet.contains(address) ? around : beside;
    kind = kind == nullptr ? &range : kind;
  }
  if (around != nullptr) {
    return Placement{.prefix_length = around->subnet.prefix_length(), .gateway = around->gateway};
  }
  if (beside != nullptr && is_gateway_bridge) {
    return fail(Errc::kInvalidArgument,
                "address {} lies outside {}, and the plugin in front is a bridge with isGateway: "
                "its gateway would be another one on each node. Give all nodes one subnet with a "
                "rangeStart and rangeEnd each, a bridge without isGateway, or ptp",
                address.to_string(), beside->subnet.to_string());
  }
  if (beside != nullptr) {
    return place_beside(address, *beside);
  }
  return fail(Errc::kInvalidArgument, "address {}: the network has no {} range",
              address.to_string(), address.is_v4() ? "IPv4" : "IPv6");
}

Result<JsonArray> routes_for(const IpAddress& address, const NetworkConfig& config) {
  JsonArray out;
  const JsonArray routes =
      VK8S_TRY(list_of(*member(config.document, "ipam"), "ipam.", "routes", kMaxRoutes));
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::string path = fmt::format("ipam.routes[{}].", i);
    const std::string text = VK8S_TRY(text_of(routes[i], path, "dst"));
    const Cidr destination = VK8S_TRY_CONTEXT(Cidr::parse(text), "{}dst", path);
    if (destination.is_v4() == address.is_v4()) {
      out.push_back(routes[i]);
    }
  }
  return out;
}

Result<std::vector<IpAddress>> previous_addresses(const NetworkConfig& config) {
  const Json* previous = member(config.document, "prevResult");
  if (previous == nullptr) {
    return fail(Errc::kInvalidArgument, "prevResult is missing");
  }
  std::vector<IpAddress> out;
  for (const Json& ip : VK8S_TRY(list_of(*previous, "prevResult.", "ips", kMaxRoutes))) {
    const std::string text = VK8S_TRY(text_of(ip, "prevResult.ips[].", "address"));
    const std::string_view address = std::string_view(text).substr(0, text.find('/'));
    out.push_back(VK8S_TRY_CONTEXT(IpAddress::parse(address), "prevResult.ips[].address"));
  }
  return out;
}

Result<std::vector<Attachment>> valid_attachments(const NetworkConfig& config) {
  constexpr std::string_view kKey = "cni.dev/valid-attachments";
  // Without the list nobody would be valid: that is a mistake, not an order.
  if (member(config.document, kKey) == nullptr) {
    return fail(Errc::kInvalidArgument, "{} is missing", kKey);
  }
  std::vector<Attachment> out;
  for (const Json& each : VK8S_TRY(list_of(config.document, "", kKey, kMaxAttachments))) {
    const std::string path = fmt::format("{}[].", kKey);
    Attachment attachment;
    attachment.container_id = VK8S_TRY(text_of(each, path, "containerID"));
    attachment.interface_name = VK8S_TRY(text_of(each, path, "ifname"));
    out.push_back(std::move(attachment));
  }
  return out;
}

}  // namespace vk8s::cni
