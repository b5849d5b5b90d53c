// docs/api.md: the Vk8s resource for those who write one, from the schema of the
// CRD itself. Pure.
#pragma once

#include <string>

namespace vk8s::controller {

// Markdown.
std::string api_reference();

}  // namespace vk8s::controller
