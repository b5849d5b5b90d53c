// The IPAllocation resource: one address that is taken, and by whom. Cluster-scoped;
// its name is the address, so the API server itself sees to it that no address is
// taken twice. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/cidr.h"
#include "base/error.h"
#include "base/json.h"

namespace vk8s::api {

// Of the pod that is to have an address: the label lets agents watch only those.
inline constexpr std::string_view kStaticIpLabel = "vk8s.sktelecom.com/static-ip";  // "true"
inline constexpr std::string_view kIpAnnotation = "vk8s.sktelecom.com/ip";
// Of a host's Node, by who serves its CNI plugin: the addresses that pods on it hold,
// as JSON: [{"ip": "10.1.0.7", "pod": "team-a/demo-master-1-0"}].
inline constexpr std::string_view kHeldIpsAnnotation = "vk8s.sktelecom.com/held-ips";

// The pod that an address belongs to, whether it runs or not.
struct IpOwner {
  std::string namespace_name;
  std::string pod;
  // Of a node of a Vk8s; "" otherwise.
  std::string cluster;
  std::string cluster_uid;
  std::string node;

  bool operator==(const IpOwner&) const = default;
  // The same pod of the same Vk8s: what an address is given by. A Vk8s that was
  // deleted and made again under its name is another one.
  bool is_same(const IpOwner& other) const {
    return namespace_name == other.namespace_name && pod == other.pod &&
           cluster_uid == other.cluster_uid;
  }
  std::string to_string() const;  // "team-a/demo-master-1-0"
};

struct IpAllocation {
  IpAddress address;
  std::string pool;              // "" = of no pool that is known
  std::optional<IpOwner> owner;  // none = reserved, for nobody in particular
  std::string note;              // a person's words
  // Given back, but not to be taken while a pod still has it.
  bool releasing = false;

  std::string uid;               // of the object; "" before it is created
  std::string resource_version;  // likewise

  bool operator==(const IpAllocation&) const = default;
};

// IPv4 as it is written; IPv6 as eight groups of four hexadecimal digits joined by '-'.
std::string allocation_name(const IpAddress& address);
// The way back; anything else than what allocation_name() gives is kInvalidArgument.
Result<IpAddress> parse_allocation_name(std::string_view name);

// The object, as it is created.
Json to_json(const IpAllocation& allocation);
// kInvalidArgument names the field. An object whose name is not its address is refused.
Result<IpAllocation> parse_ip_allocation(const Json& object);

}  // namespace vk8s::api
