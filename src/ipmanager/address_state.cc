#include "ipmanager/address_state.h"

namespace vk8s::ipmanager {

std::string_view to_string(AddressState state) {
  switch (state) {
    case AddressState::kFree:
      return "free";
    case AddressState::kReserved:
      return "reserved";
    case AddressState::kAllocated:
      return "allocated";
    case AddressState::kDeallocating:
      return "deallocating";
  }
  return "unknown";
}

std::optional<AddressState> parse_address_state(std::string_view text) {
  for (const AddressState state : {AddressState::kFree, AddressState::kReserved,
                                   AddressState::kAllocated, AddressState::kDeallocating}) {
    if (text == to_string(state)) {
      return state;
    }
  }
  return std::nullopt;
}

AddressState state_of(const api::IpAllocation& allocation) {
  if (allocation.releasing) {
    return AddressState::kDeallocating;
  }
  return allocation.owner ? AddressState::kAllocated : AddressState::kReserved;
}

}  // namespace vk8s::ipmanager
