// How an address stands, in the words of the REST interface. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "api/ip_allocation.h"

namespace vk8s::ipmanager {

enum class AddressState {
  kFree,         // no IPAllocation
  kReserved,     // one without an owner
  kAllocated,    // of a pod, whether it runs or not
  kDeallocating  // given back; free when no pod has it
};

std::string_view to_string(AddressState state);
std::optional<AddressState> parse_address_state(std::string_view text);

// Of an address that somebody has.
AddressState state_of(const api::IpAllocation& allocation);

}  // namespace vk8s::ipmanager
