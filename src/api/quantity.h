// Kubernetes resource quantities: "2", "500m", "1.5", "4Gi", "20G", "1e3".
// Source: k8s.io/apimachinery pkg/api/resource. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace vk8s::api {

// In thousandths, rounded up; kInvalidArgument where it is no quantity, is
// negative, or is beyond nine quadrillion.
Result<std::int64_t> parse_quantity_millis(std::string_view text);

// In units (bytes), rounded up.
Result<std::int64_t> parse_quantity(std::string_view text);

}  // namespace vk8s::api
