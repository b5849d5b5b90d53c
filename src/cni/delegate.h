// The IPAM plugin behind this one, which this process becomes: what it says and how
// it ends is then what the caller sees.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::cni {

// Source: CNI specification 1.1.0, section 4. name is no path; kNotFound.
Result<std::string> find_plugin(std::string_view name, std::string_view plugin_path);

// Becomes that program, with the same environment and `config` on its standard input.
// Returns only where that fails.
Error become(const std::string& program, const std::string& config);

}  // namespace vk8s::cni
