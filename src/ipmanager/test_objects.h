// Pools, owners and allocations for tests of this module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/ip_allocation.h"
#include "api/vk8s.h"
#include "base/json.h"
#include "ipmanager/allocator.h"

namespace vk8s::ipmanager::testing {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

inline Json pool_object(const std::string& name, const std::vector<std::string>& ranges,
                        JsonObject more = {}, std::string_view created = "2026-01-01T00:00:00Z") {
  JsonArray texts;
  for (const std::string& range : ranges) {
    texts.emplace_back(range);
  }
  JsonObject metadata;
  metadata["name"] = name;
  metadata["uid"] = "uid-" + name;
  metadata["creationTimestamp"] = created;
  more["ranges"] = std::move(texts);
  JsonObject out;
  out["apiVersion"] = api::kVk8sApiVersion;
  out["kind"] = "VNodeIPPool";
  out["metadata"] = std::move(metadata);
  out["spec"] = std::move(more);
  return out;
}

inline api::IpOwner owner(std::string pod, std::string namespace_name = "team-a") {
  return {.namespace_name = std::move(namespace_name),
          .pod = std::move(pod),
          .cluster = {},
          .cluster_uid = {},
          .node = {}};
}

// Of node "master-1" of a Vk8s.
inline api::IpOwner node_of(const std::string& cluster, const std::string& uid) {
  return {.namespace_name = "team-a",
          .pod = cluster + "-master-1-0",
          .cluster = cluster,
          .cluster_uid = uid,
          .node = "master-1"};
}

inline AllocationRequest request_of(api::IpOwner owner) {
  AllocationRequest out;
  out.owner = std::move(owner);
  return out;
}

inline AllocationRequest wish_of(api::IpOwner owner, std::string_view address) {
  AllocationRequest out = request_of(std::move(owner));
  out.address = ip(address);
  return out;
}

inline Json allocation_object(std::string_view address, std::optional<api::IpOwner> owner,
                              std::string pool = "a") {
  api::IpAllocation out;
  out.address = ip(address);
  out.pool = std::move(pool);
  out.owner = std::move(owner);
  return api::to_json(out);
}

}  // namespace vk8s::ipmanager::testing
