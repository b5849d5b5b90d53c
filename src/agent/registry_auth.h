// The credentials of a node's mirror, from a file beside node.json.
#pragma once

#include <string>

#include "agent/node_paths.h"
#include "api/node_config.h"
#include "base/error.h"

namespace vk8s::agent {

// Whether the node has a mirror that may want some.
bool may_have_registry_auth(const api::NodeConfig& config);

// NodeFacts::registry_auth; "" where there is no file. No error has a word of the file.
Result<std::string> read_registry_auth(const NodePaths& paths);

}  // namespace vk8s::agent
