// Whether an object is as it should be. Pure.
#pragma once

#include "base/json.h"

namespace vk8s::controller {

// True if everything in `desired` stands in `observed` alike. What the API server
// adds (defaults, status) does not count, nor does how it spells a quantity.
// Lists must agree item by item.
bool is_as_desired(const Json& desired, const Json& observed);

}  // namespace vk8s::controller
