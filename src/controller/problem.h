// Why a cluster cannot go on: what its user gets to read.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "api/vk8s.h"
#include "base/error.h"

namespace vk8s::controller {

struct Problem {
  std::string_view phase = api::phase::kFail;  // "" = as the nodes say
  std::string reason;                          // CamelCase, of the condition Ready
  std::string message;                         // what was attempted, on what, what to do
  // When to look again; 0 = when something changes.
  std::chrono::seconds retry_after{0};
};

template <class T>
using OrProblem = tl::expected<T, Problem>;

namespace reason {
inline constexpr std::string_view kInvalidSpec = "InvalidSpec";
inline constexpr std::string_view kUnsupportedVersion = "UnsupportedVersion";
inline constexpr std::string_view kNotAllowed = "NotAllowed";
inline constexpr std::string_view kNameConflict = "NameConflict";
inline constexpr std::string_view kNodeNameConflict = "NodeNameConflict";
inline constexpr std::string_view kNetworkConflict = "NetworkConflict";
inline constexpr std::string_view kEarlierClusterLeaving = "EarlierClusterLeaving";
inline constexpr std::string_view kWaitingForNetwork = "WaitingForNetwork";
inline constexpr std::string_view kPodRefused = "PodRefused";
inline constexpr std::string_view kVolumeRefused = "VolumeRefused";
inline constexpr std::string_view kAuthorityLost = "CertificateAuthorityLost";
inline constexpr std::string_view kWriteFailed = "WriteFailed";
inline constexpr std::string_view kPortsNotOpen = "PortsNotOpen";
inline constexpr std::string_view kLabelsNotApplied = "LabelsNotApplied";
inline constexpr std::string_view kDrainingNode = "DrainingNode";
inline constexpr std::string_view kPauseRefused = "PauseRefused";
inline constexpr std::string_view kAddressUnavailable = "AddressUnavailable";
}  // namespace reason

}  // namespace vk8s::controller
