#include "ipmanager/allocation_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

namespace vk8s::ipmanager {
namespace {

// What is kept of an allocation: its texts one after the other, each behind its
// length, in one string. A JSON object of them takes three times as much memory.
enum Field : std::size_t {
  kName,
  kUid,
  kGeneration,
  kReleasing,
  kPool,
  kNamespace,
  kPod,
  kCluster,
  kClusterUid,
  kNode,
  kNote,
  kFieldCount,
};
using Texts = std::array<std::string_view, kFieldCount>;

constexpr const char* kKept = "kept";
constexpr const char* kVersionPath = "metadata.resourceVersion";

std::string pack(const Texts& texts) {
  std::string out;
  for (const std::string_view text : texts) {
    out += fmt::format("{}:", text.size());
    out += text;
  }
  return out;
}

Texts unpack(std::string_view packed) {
  Texts out;
  for (std::string_view& text : out) {
    std::size_t size = 0;
    const std::size_t colon = packed.find(':');
    if (colon == std::string_view::npos) {
      return out;
    }
    std::from_chars(packed.data(), packed.data() + colon, size);
    text = packed.substr(colon + 1, size);
    packed.remove_prefix(std::min(packed.size(), colon + 1 + size));
  }
  return out;
}

Texts texts_of(const Json& kept) { return unpack(base::get_string(kept, kKept).value_or("")); }

template <class Number>
Number number_of(std::string_view text) {
  Number out = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? out : 0;
}

std::uint64_t hash_text(std::uint64_t hash, std::string_view text) {
  // FNV-1a, with an end to each text.
  for (const char each : text) {
    hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3ULL;
  }
  return (hash ^ 0xFFU) * 0x100000001b3ULL;
}

std::uint64_t hash_texts(std::string_view namespace_name, std::string_view pod,
                         std::string_view cluster_uid) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const std::string_view text : {namespace_name, pod, cluster_uid}) {
    hash = hash_text(hash, text);
  }
  return std::max<std::uint64_t>(hash, 1);
}

bool is_same_owner(const Texts& a, const Texts& b) {
  return a[kNamespace] == b[kNamespace] && a[kPod] == b[kPod] && a[kClusterUid] == b[kClusterUid];
}

api::IpAllocation decode(const Json& kept) {
  const Texts texts = texts_of(kept);
  api::IpAllocation out;
  if (const auto address = api::parse_allocation_name(texts[kName])) {
    out.address = *address;
  }
  out.pool = texts[kPool];
  if (!texts[kPod].empty()) {
    out.owner = api::IpOwner{.namespace_name = std::string(texts[kNamespace]),
                             .pod = std::string(texts[kPod]),
                             .cluster = std::string(texts[kCluster]),
                             .cluster_uid = std::string(texts[kClusterUid]),
                             .node = std::string(texts[kNode])};
  }
  out.note = texts[kNote];
  out.releasing = !texts[kReleasing].empty();
  out.uid = texts[kUid];
  out.resource_version = base::get_string(kept, kVersionPath).value_or("");
  return out;
}

}  // namespace

std::string claim_word_of(const Json& object) {
  // Not by a dotted path: annotations hold dots.
  const JsonObject* annotations = base::get_object(object, "metadata.annotations");
  const Json* word = annotations == nullptr ? nullptr : annotations->if_contains(kClaimAnnotation);
  return word != nullptr && word->is_string() ? std::string(word->get_string()) : std::string();
}

std::uint64_t version_of(std::string_view resource_version) {
  return number_of<std::uint64_t>(resource_version);
}

std::uint64_t hash_of(const api::IpOwner& owner) {
  return hash_texts(owner.namespace_name, owner.pod, owner.cluster_uid);
}

Json compact(Json object) {
  const std::string_view name = base::get_string(object, "metadata.name").value_or("");
  JsonObject metadata;
  metadata["resourceVersion"] = base::get_string(object, kVersionPath).value_or("");
  JsonObject out;
  out["metadata"] = std::move(metadata);
  if (!api::parse_allocation_name(name)) {
    return out;
  }
  Texts texts;
  texts[kName] = name;
  texts[kUid] = base::get_string(object, "metadata.uid").value_or("");
  const std::string generation =
      std::to_string(base::get_int(object, "metadata.generation").value_or(0));
  texts[kGeneration] = generation;
  // Whatever else is wrong with it: the address is taken.
  const api::IpAllocation read = api::parse_ip_allocation(object).value_or(api::IpAllocation());
  const api::IpOwner owner = read.owner.value_or(api::IpOwner());
  texts[kReleasing] = read.releasing ? "1" : "";
  texts[kPool] = read.pool;
  texts[kNamespace] = owner.namespace_name;
  texts[kPod] = owner.pod;
  texts[kCluster] = owner.cluster;
  texts[kClusterUid] = owner.cluster_uid;
  texts[kNode] = owner.node;
  texts[kNote] = read.note;
  out[kKept] = pack(texts);
  return out;
}

api::IpAllocation AllocationIndex::allocation_of(const Entry& entry) { return decode(*entry.kept); }

AllocationIndex::Glance AllocationIndex::glance_at(const IpAddress& address, const Entry& entry) {
  const Texts texts = texts_of(*entry.kept);
  return {.address = address,
          .pool = texts[kPool],
          .namespace_name = texts[kNamespace],
          .pod = texts[kPod],
          .releasing = !texts[kReleasing].empty()};
}

AllocationIndex::Glance AllocationIndex::Glance::of(const api::IpAllocation& allocation) {
  Glance out{
      .address = allocation.address, .pool = allocation.pool, .releasing = allocation.releasing};
  if (allocation.owner) {
    out.namespace_name = allocation.owner->namespace_name;
    out.pod = allocation.owner->pod;
  }
  return out;
}

AddressState AllocationIndex::Glance::state() const {
  if (releasing) {
    return AddressState::kDeallocating;
  }
  return pod.empty() ? AddressState::kReserved : AddressState::kAllocated;
}

template <class Function>
void AllocationIndex::for_each_rival(const IpAddress& address, const Entry& entry,
                                     Function function) {
  const auto [begin, end] = by_owner_.equal_range(entry.owner);
  for (auto at = begin; at != end; ++at) {
    Entry& other = entries_.at(at->second);
    if (at->second != address && other.claim != 0 &&
        is_same_owner(texts_of(*other.kept), texts_of(*entry.kept))) {
      function(other);
    }
  }
}

// A claim goes on where it stood before and nothing was missed in between: each write
// to the spec raises the generation by one.
void AllocationIndex::begin_claim(const IpAddress& address, Entry& entry, const Entry* before) {
  const bool goes_on =
      before != nullptr && before->claim != 0 && entry.generation <= before->generation + 1;
  entry.claim = goes_on ? before->claim
                        : version_of(base::get_string(*entry.kept, kVersionPath).value_or(""));
  for_each_rival(address, entry, [&](Entry& other) {
    (other.claim < entry.claim ? entry : other).contested = true;
  });
}

std::optional<IpAddress> AllocationIndex::address_of(const Json& kept) {
  const auto address = api::parse_allocation_name(texts_of(kept)[kName]);
  return address ? std::optional(*address) : std::nullopt;
}

std::optional<IpAddress> AllocationIndex::put(const kube::ObjectPtr& kept) {
  const Texts texts = texts_of(*kept);
  const auto address = address_of(*kept);
  if (!address) {
    return std::nullopt;
  }
  Entry entry{.kept = kept, .generation = number_of<std::uint32_t>(texts[kGeneration])};
  std::optional<Entry> before;
  if (const auto found = entries_.find(*address); found != entries_.end()) {
    if (texts_of(*found->second.kept)[kUid] == texts[kUid]) {
      before = found->second;
    }
    forget(found);
  }
  if (!texts[kPod].empty()) {
    entry.owner = hash_texts(texts[kNamespace], texts[kPod], texts[kClusterUid]);
    by_owner_.emplace(entry.owner, *address);
  }
  Entry& stored = entries_[*address] = std::move(entry);
  if (!texts[kReleasing].empty()) {
    releasing_.insert(*address);
  } else if (stored.owner != 0) {
    begin_claim(*address, stored, before ? &*before : nullptr);
  }
  return *address;
}

std::optional<IpAddress> AllocationIndex::erase(const kube::ObjectPtr& kept) {
  const auto address = address_of(*kept);
  const auto found = address ? entries_.find(*address) : entries_.end();
  if (found != entries_.end() && texts_of(*found->second.kept)[kUid] == texts_of(*kept)[kUid]) {
    forget(found);
  }
  return address;
}

void AllocationIndex::forget(Entries::iterator at) {
  const auto [begin, end] = by_owner_.equal_range(at->second.owner);
  const auto place =
      std::find_if(begin, end, [&](const auto& each) { return each.second == at->first; });
  if (place != end) {
    by_owner_.erase(place);
  }
  releasing_.erase(at->first);
  entries_.erase(at);
}

std::optional<AllocationIndex::Held> AllocationIndex::find(const IpAddress& address) const {
  const auto found = entries_.find(address);
  if (found == entries_.end()) {
    return std::nullopt;
  }
  return Held{.allocation = allocation_of(found->second), .contested = found->second.contested};
}

std::vector<AllocationIndex::Held> AllocationIndex::find_by_owner(const api::IpOwner& owner) const {
  std::vector<const Entry*> found;
  const auto [begin, end] = by_owner_.equal_range(hash_of(owner));
  for (auto at = begin; at != end; ++at) {
    found.push_back(&entries_.at(at->second));
  }
  std::sort(found.begin(), found.end(), [](const Entry* a, const Entry* b) {
    return std::tuple(a->claim == 0, a->claim) < std::tuple(b->claim == 0, b->claim);
  });
  std::vector<Held> out;
  for (const Entry* entry : found) {
    Held held{.allocation = allocation_of(*entry), .contested = entry->contested};
    if (held.allocation.owner && held.allocation.owner->is_same(owner)) {
      out.push_back(std::move(held));
    }
  }
  return out;
}

std::vector<api::IpAllocation> AllocationIndex::list() const {
  return list_after(std::nullopt, size());
}

std::vector<api::IpAllocation> AllocationIndex::list_after(const std::optional<IpAddress>& address,
                                                           std::size_t most) const {
  std::vector<api::IpAllocation> out;
  auto at = address ? entries_.upper_bound(*address) : entries_.begin();
  for (; at != entries_.end() && out.size() < most; ++at) {
    out.push_back(allocation_of(at->second));
  }
  return out;
}

std::vector<api::IpAllocation> AllocationIndex::list_releasing() const {
  std::vector<api::IpAllocation> out;
  for (const IpAddress& address : releasing_) {
    out.push_back(allocation_of(entries_.at(address)));
  }
  return out;
}

std::vector<api::IpOwner> AllocationIndex::list_crowded() const {
  std::vector<api::IpOwner> out;
  for (const auto& [address, entry] : entries_) {
    if (!entry.contested) {
      continue;
    }
    const auto owner = allocation_of(entry).owner;
    const bool known = std::any_of(out.begin(), out.end(), [&](const api::IpOwner& other) {
      return owner && other.is_same(*owner);
    });
    if (owner && !known) {
      out.push_back(*owner);
    }
  }
  return out;
}

}  // namespace vk8s::ipmanager
