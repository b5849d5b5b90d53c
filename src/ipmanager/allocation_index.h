// The IPAllocations as the watch has shown them: by address and by owner, and which
// of several of one owner stands. Pure, and small: some 0.6 KB an allocation, the
// informer's copy included.
//
// A claim begins with the resourceVersion at which an allocation was first seen to be
// its owner's and not given back, and ends when it is given back. Of several claims
// of one owner the earliest stands. resourceVersions are numbers that grow with each
// write (KEP-5504), so all who watch agree on the order; who sees an allocation first
// in a list agrees as well, since nothing but giving back and taking again changes one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/ip_allocation.h"
#include "ipmanager/address_state.h"
#include "kube/store.h"

namespace vk8s::ipmanager {

// Who took an address last: a random word of the one attempt that did. So an attempt
// whose answer was lost knows its own object again, and a write that takes what is
// there already changes the resourceVersion.
inline constexpr std::string_view kClaimAnnotation = "vk8s.sktelecom.com/claim";
std::string claim_word_of(const Json& object);

// 0 for what is no number.
std::uint64_t version_of(std::string_view resource_version);

// The same in every process, so that two look for an address at the same place.
std::uint64_t hash_of(const api::IpOwner& owner);

// What an informer of IPAllocations keeps (kube::Projection), for put() and erase().
Json compact(Json object);

class AllocationIndex {
 public:
  struct Held {
    api::IpAllocation allocation;
    // An earlier claim stood when this one was seen: whoever made it may be about to
    // delete it, unless it is written to.
    bool contested = false;
  };

  // What is told of an allocation without a copy, while neither it nor the index changes.
  struct Glance {
    IpAddress address;
    std::string_view pool;
    std::string_view namespace_name;  // of its owner
    std::string_view pod;             // "" = nobody's
    bool releasing = false;

    static Glance of(const api::IpAllocation& allocation);
    AddressState state() const;
  };

  // Of a compacted object; nothing for what is no allocation.
  static std::optional<IpAddress> address_of(const Json& kept);

  // Compacted objects, in the order the informer tells them. What is no allocation is
  // passed over. Both return the address it is about.
  std::optional<IpAddress> put(const kube::ObjectPtr& kept);
  std::optional<IpAddress> erase(const kube::ObjectPtr& kept);

  std::size_t size() const { return entries_.size(); }
  bool contains(const IpAddress& address) const { return entries_.contains(address); }
  std::optional<Held> find(const IpAddress& address) const;
  // In the order of their claims, those given back last.
  std::vector<Held> find_by_owner(const api::IpOwner& owner) const;

  // In the order of addresses.
  std::vector<api::IpAllocation> list() const;
  // At most so many beyond an address (nothing: from the first on).
  std::vector<api::IpAllocation> list_after(const std::optional<IpAddress>& address,
                                            std::size_t most) const;
  std::vector<api::IpAllocation> list_releasing() const;
  // Owners of several claims.
  std::vector<api::IpOwner> list_crowded() const;
  // Shows each beyond an address (nothing: each) in the order of addresses, until the
  // function returns false.
  template <class Function>
  void visit(const std::optional<IpAddress>& after, Function function) const {
    auto at = after ? entries_.upper_bound(*after) : entries_.begin();
    while (at != entries_.end() && function(glance_at(at->first, at->second))) {
      ++at;
    }
  }

 private:
  struct Entry {
    kube::ObjectPtr kept;
    std::uint64_t owner = 0;  // its hash; 0 = nobody
    std::uint64_t claim = 0;  // where it began; 0 = it has ended
    std::uint32_t generation = 0;
    bool contested = false;
  };
  using Entries = std::map<IpAddress, Entry>;

  static api::IpAllocation allocation_of(const Entry& entry);
  static Glance glance_at(const IpAddress& address, const Entry& entry);
  // Calls back with each claim of the owner but that of `address`.
  template <class Function>
  void for_each_rival(const IpAddress& address, const Entry& entry, Function function);
  void begin_claim(const IpAddress& address, Entry& entry, const Entry* before);
  void forget(Entries::iterator at);

  Entries entries_;
  std::unordered_multimap<std::uint64_t, IpAddress> by_owner_;
  std::set<IpAddress> releasing_;
};

}  // namespace vk8s::ipmanager
