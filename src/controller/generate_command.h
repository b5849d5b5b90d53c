// `vk8s-controller generate [crd|rbac|manager|ip-manager|chart|api|openapi] [--into DIR]`: the
// manifests in config/ and the Helm chart.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::controller {

// The text of config/<what>/...; kInvalidArgument names what there is.
Result<std::string> generate(std::string_view what);

// Writes what ("" = all of it) to its place below a folder, the repository's root.
Status generate_into(const std::string& folder, std::string_view what);

// The one or, with a folder, the other: what is to be printed.
Result<std::string> generate_to(const std::string& folder, std::string_view what);

}  // namespace vk8s::controller
