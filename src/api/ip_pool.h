// The VNodeIPPool resource: addresses that may be given to nodes of virtual clusters.
// Cluster-scoped. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip_range.h"
#include "base/json.h"

namespace vk8s::api {

// What the schema allows.
inline constexpr int kMaxPoolRanges = 64;
inline constexpr int kMaxPoolExclusions = 256;
inline constexpr int kMaxPoolNamespaces = 256;

struct IpPool {
  std::string name;
  std::string uid;
  std::string creation_timestamp;  // RFC 3339: text order is time order
  bool being_deleted = false;

  std::vector<std::string> ranges;  // as written: "10.1.0.0/24", "10.1.0.5-10.1.0.9", "10.1.0.7"
  std::vector<std::string> exclusions;                // likewise
  std::string gateway;                                // never given to anybody; "" = none
  std::vector<std::string> namespaces;                // who may have them; empty = every namespace
  std::map<std::string, std::string> cluster_labels;  // a Vk8s must carry; empty = every one

  // What may be given: ranges less exclusions, gateway, and of each CIDR block that has
  // them the network and broadcast address (IPv4, shorter than /31) or the
  // subnet-router anycast address (IPv6, shorter than /127; RFC 4291 section 2.6.1).
  IpRangeSet addresses;

  bool allows(std::string_view namespace_name,
              const std::map<std::string, std::string>& labels_of_cluster) const;
};

// kInvalidArgument names the field ("spec.ranges[1]") and what is wrong with it.
Result<IpPool> parse_ip_pool(const Json& object);

// Who has first claim on an address of both: by age, then by name.
bool is_earlier(const IpPool& a, const IpPool& b);

}  // namespace vk8s::api
