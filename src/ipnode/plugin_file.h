// The CNI plugin's program where the node's runtime looks for it.
#pragma once

#include <string>

#include "base/error.h"

namespace vk8s::ipnode {

// Copies the program into the folder under its own name; nobody executes half of it,
// and one that is there already is left alone. Returns whether it was copied.
Result<bool> install_plugin(const std::string& program, const std::string& folder);

}  // namespace vk8s::ipnode
