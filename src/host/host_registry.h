// The host's image registry: one store, served twice. Port 5000 reads, for every
// node; port 5001 writes, for who holds the writer's certificate, which never
// leaves the machine. Both with certificates of the host cluster's CA.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "host/host_container.h"
#include "host/host_files.h"
#include "host/host_plan.h"

namespace vk8s::host {

inline constexpr int kRegistryReadPort = 5000;
inline constexpr int kRegistryWritePort = 5001;

// The two containers, the reading one first; they share network and store.
std::vector<HostContainer> registry_containers(const HostSettings& settings, const HostPlan& plan,
                                               const Runc& runc, const std::string& config_version);

// Configuration and certificates of both, and the writer's certificate in
// <state>/registry-writer. Returns a text that changes when they must start anew.
Result<std::string> ensure_registry_files(const HostPlan& plan, const HostPki& pki);

// The configuration file of docker-registry. Pure.
std::string registry_config(bool writable);

}  // namespace vk8s::host
