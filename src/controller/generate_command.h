// `vk8s-controller generate crd|rbac|manager`: the manifests in config/.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::controller {

// The text of config/<what>/...; kInvalidArgument names what there is.
Result<std::string> generate(std::string_view what);

}  // namespace vk8s::controller
