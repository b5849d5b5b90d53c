// Field ownership of an object that was created by POST and is kept by apply.
//
// The API server notes the fields of a create as owned by <user agent>/Update.
// A later apply owns them too, as <manager>/Apply; but a field that apply leaves
// out then stays, for its other owner. So whoever creates first and applies later
// hands the fields over once. Source: KEP-555; client-go util/csaupgrade.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"

namespace vk8s::kube {

// A merge patch that gives what `created_by` (the part of ClientConfig::user_agent
// before a '/') owns by Update to `manager` by Apply, or nothing where there is
// nothing to hand over. It holds the object's resourceVersion, so a change in
// between is a conflict. Pure.
std::optional<Json> hand_over_patch(const Json& object, std::string_view created_by,
                                    std::string_view manager);

}  // namespace vk8s::kube
