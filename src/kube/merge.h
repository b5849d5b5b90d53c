// Merging of JSON objects. Pure.
#pragma once

#include "base/json.h"

namespace vk8s::kube {

// RFC 7396: objects merge, null removes, everything else replaces.
void merge_patch_into(Json& target, const Json& patch);

// Removes from target each leaf that `before` has and `after` has not; an object
// left empty goes too. What nobody said before stays.
void prune_into(Json& target, const Json& before, const Json& after);

}  // namespace vk8s::kube
