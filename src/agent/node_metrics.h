// A node's status as metrics. Source: prometheus.io, "Exposition formats", text.
#pragma once

#include <string>

#include "api/node_status.h"

namespace vk8s::agent {

// Pure.
std::string node_metrics(const api::NodeStatus& status);

}  // namespace vk8s::agent
