// What a Kubernetes API server says when it refuses (meta/v1 Status), as Error.
// Pure; bytes of others.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::kube {

// From an HTTP answer that is no success: code by status and reason, message from
// the Status object, else from the body's first bytes.
Error error_from_response(int http_status, std::string_view body);

// From a Status object (the ERROR event of a watch).
Error error_from_status(const Json& status);

}  // namespace vk8s::kube
