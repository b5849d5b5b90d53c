// Probes of components on this machine.
#pragma once

#include <string>

#include "agent/supervisor.h"
#include "kube/client.h"

namespace vk8s::agent {

// Ready when something accepts connections on the unix socket.
Probe unix_socket_probe(std::string path);

// Ready when GET path answers 200. The client outlives the probe.
Probe api_server_probe(kube::Client& client, std::string path = "/readyz");

}  // namespace vk8s::agent
