// Times of day as Kubernetes writes them. Pure; any thread.
// Source: RFC 3339; metav1.Time and metav1.MicroTime.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::base {

using WallTime = std::chrono::system_clock::time_point;

// "2026-05-01T09:30:00Z", rounded down: metav1.Time.
std::string format_time(WallTime time);
// "2026-05-01T09:30:00.123456Z": metav1.MicroTime (leases).
std::string format_micro_time(WallTime time);
// Either, with 'Z' or an offset, years 1970 to 2261 of UTC: what can be written again.
Result<WallTime> parse_time(std::string_view text);

}  // namespace vk8s::base
