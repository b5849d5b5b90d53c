// The host's network on the machine: one bridge, and for each container a
// network namespace with one cable to it. Nothing is forwarded beyond the bridge:
// what runs on the host reaches the machine and its neighbours, nothing else.
#pragma once

#include <string>

#include "base/error.h"
#include "host/host_plan.h"

namespace vk8s::host {

// Refuses (kConflict) a bridge name in use for something else, and a subnet that
// the machine already has a route to.
Status ensure_bridge(const HostPlan& plan);

// The container's namespace, its eth0 with address and default route, up.
Status ensure_container_network(const HostPlan& plan, const ContainerPlan& container);

// Both: absent is no error.
Status remove_container_network(const ContainerPlan& container);
Status remove_bridge(const HostPlan& plan);

}  // namespace vk8s::host
