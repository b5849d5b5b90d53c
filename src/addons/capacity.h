// Whether a cluster has room for a set, before anything of it is applied. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "addons/manifest_set.h"
#include "base/json.h"

namespace vk8s::addons {

struct Resources {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t pods = 0;

  Resources& operator+=(const Resources& other);
  bool operator==(const Resources&) const = default;
};

// What a pod asks for, as the scheduler counts: the sum of its containers and sidecars,
// or its largest init container if that is more, and its overhead; limits count where
// there is no request. What cannot be read counts as nothing.
Resources requests_of_pod(const Json& pod_spec);

// Of all replicas of all workloads; a DaemonSet has one on each node. A Deployment whose
// count a HorizontalPodAutoscaler of the set keeps has its least.
Resources requests_of_set(const ManifestSet& set, std::int64_t nodes);

// What is free for the set: allocatable of the nodes (items of a NodeList) that take
// pods, less the requests of the pods (items of a PodList) that are not the set's own.
struct Capacity {
  Resources free;
  std::int64_t nodes = 0;
};
Capacity free_capacity(const ManifestSet& set, const JsonArray& nodes, const JsonArray& pods);

// "needs 7.5 CPUs, 4 are free": nothing where it fits.
std::optional<std::string> describe_shortage(const Resources& wanted, const Resources& free);

}  // namespace vk8s::addons
