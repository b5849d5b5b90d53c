// When an object does what it is for. Pure.
// Source: kubectl rollout status; Kubernetes API reference, conditions of each kind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "addons/object_id.h"
#include "base/json.h"

namespace vk8s::addons {

struct Readiness {
  bool is_ready = false;
  std::string message;  // what it waits for; safe to show
};

// Whether the kind has a readiness of its own that can be seen in the object: CRDs,
// workloads, APIServices, Namespaces and webhook configurations (of those: whether all
// their webhooks have a caBundle). Others are ready once they are there.
bool has_readiness(const ObjectId& id);

// generation: what the object must be at least, for what its controller says to count.
Readiness readiness_of(const ObjectId& id, const Json& live, std::int64_t generation);

// Whether one of a Service's EndpointSlices has a ready endpoint.
bool has_ready_endpoint(const Json& endpoint_slice);

// A webhook of the configuration without caBundle, whose server is a Service: its name,
// or "".
std::string webhook_without_ca(const Json& configuration);

}  // namespace vk8s::addons
