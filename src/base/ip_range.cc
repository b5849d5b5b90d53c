#include "base/ip_range.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace vk8s::base {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

unsigned __int128 value_of(const IpAddress& address) {
  unsigned __int128 value = 0;
  for (const std::uint8_t byte : address.bytes()) {
    value = value << 8U | byte;
  }
  return value;
}

// ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): second spellings of IPv4.
bool holds_mapped(const IpAddress& first, const IpAddress& last) {
  constexpr unsigned __int128 kFirstMapped = static_cast<unsigned __int128>(0xFFFF) << 32U;
  constexpr unsigned __int128 kLastMapped = kFirstMapped | 0xFFFFFFFF;
  return !first.is_v4() && value_of(first) <= kLastMapped && value_of(last) >= kFirstMapped;
}

// The neighbour of an address; nothing at the end of its family.
std::optional<IpAddress> moved(const IpAddress& address, int by) {
  std::array<std::uint8_t, 16> bytes{};
  const auto from = address.bytes();
  std::copy(from.begin(), from.end(), bytes.begin());
  const std::uint8_t wraps = by > 0 ? 0xFF : 0;
  for (std::size_t at = from.size(); at-- > 0;) {
    const bool carries = bytes[at] == wraps;
    bytes[at] = static_cast<std::uint8_t>(bytes[at] + by);
    if (!carries) {
      // IPv4-mapped addresses are no addresses here: a hole, like an end.
      const auto out = IpAddress::from_bytes({bytes.data(), from.size()});
      return out ? std::optional(*out) : std::nullopt;
    }
  }
  return std::nullopt;
}

// Whether b begins where a ends, or before.
bool touches(const IpRange& a, const IpRange& b) {
  const auto after = moved(a.last(), 1);
  return a.is_v4() == b.is_v4() && (b.first() <= a.last() || (after && b.first() == *after));
}

}  // namespace

Result<IpRange> IpRange::create(const IpAddress& first, const IpAddress& last) {
  if (first.is_v4() != last.is_v4()) {
    return fail(Errc::kInvalidArgument, "{}-{} is no range: one end is IPv4, the other IPv6",
                first.to_string(), last.to_string());
  }
  if (last < first) {
    return fail(Errc::kInvalidArgument, "{}-{} is no range: it ends before it begins",
                first.to_string(), last.to_string());
  }
  if (holds_mapped(first, last)) {
    return fail(Errc::kInvalidArgument,
                "a range of IPv6 must not hold the IPv4-mapped addresses ::ffff:0:0/96");
  }
  return IpRange(first, last);
}

Result<IpRange> IpRange::parse(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    const Cidr block = VK8S_TRY(Cidr::parse(text));
    return create(block.network(), block.last());
  }
  const std::size_t dash = text.find('-');
  const IpAddress first =
      VK8S_TRY_CONTEXT(IpAddress::parse(text.substr(0, dash)), "range \"{}\"", printable(text, 96));
  if (dash == std::string_view::npos) {
    return create(first, first);
  }
  const IpAddress last = VK8S_TRY_CONTEXT(IpAddress::parse(text.substr(dash + 1)), "range \"{}\"",
                                          printable(text, 96));
  return create(first, last);
}

bool IpRange::contains(const IpAddress& address) const {
  return address.is_v4() == is_v4() && first_ <= address && address <= last_;
}

bool IpRange::overlaps(const IpRange& other) const {
  return other.is_v4() == is_v4() && first_ <= other.last_ && other.first_ <= last_;
}

std::uint64_t IpRange::size() const {
  const unsigned __int128 gap = value_of(last_) - value_of(first_);
  return gap >= kMost ? kMost : static_cast<std::uint64_t>(gap) + 1;
}

Result<IpAddress> IpRange::nth(std::uint64_t index) const {
  auto address = first_.plus(index);
  if (!address || last_ < *address) {
    return fail(Errc::kExhausted, "{} has no address of index {}", to_string(), index);
  }
  return address;
}

std::optional<std::uint64_t> IpRange::index_of(const IpAddress& address) const {
  if (!contains(address)) {
    return std::nullopt;
  }
  const unsigned __int128 index = value_of(address) - value_of(first_);
  return index < kMost ? std::optional(static_cast<std::uint64_t>(index)) : std::nullopt;
}

std::string IpRange::to_string() const {
  return first_ == last_ ? first_.to_string() : first_.to_string() + "-" + last_.to_string();
}

void IpRangeSet::add(const IpRange& range) {
  IpAddress first = range.first();
  IpAddress last = range.last();
  std::vector<IpRange> out;
  for (const IpRange& each : ranges_) {
    if (touches(each, range) && touches(range, each)) {
      first = std::min(first, each.first());
      last = std::max(last, each.last());
    } else {
      out.push_back(each);
    }
  }
  out.push_back(*IpRange::create(first, last));
  std::sort(out.begin(), out.end());
  ranges_ = std::move(out);
}

void IpRangeSet::remove(const IpRange& range) {
  std::vector<IpRange> out;
  for (const IpRange& each : ranges_) {
    if (!each.overlaps(range)) {
      out.push_back(each);
      continue;
    }
    if (const auto before = moved(range.first(), -1); before && each.first() <= *before) {
      out.push_back(*IpRange::create(each.first(), *before));
    }
    if (const auto after = moved(range.last(), 1); after && *after <= each.last()) {
      out.push_back(*IpRange::create(*after, each.last()));
    }
  }
  ranges_ = std::move(out);
}

bool IpRangeSet::contains(const IpAddress& address) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const IpRange& range) { return range.contains(address); });
}

bool IpRangeSet::overlaps(const IpRange& range) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const IpRange& each) { return each.overlaps(range); });
}

std::uint64_t IpRangeSet::size() const {
  std::uint64_t total = 0;
  for (const IpRange& range : ranges_) {
    const std::uint64_t more = range.size();
    total = more > kMost - total ? kMost : total + more;
  }
  return total;
}

Result<IpAddress> IpRangeSet::nth(std::uint64_t index) const {
  std::uint64_t left = index;
  for (const IpRange& range : ranges_) {
    if (left < range.size()) {
      return range.nth(left);
    }
    left -= range.size();
  }
  return fail(Errc::kExhausted, "there is no address of index {}", index);
}

std::optional<std::uint64_t> IpRangeSet::index_of(const IpAddress& address) const {
  std::uint64_t before = 0;
  for (const IpRange& range : ranges_) {
    if (const auto index = range.index_of(address)) {
      return *index < kMost - before ? std::optional(before + *index) : std::nullopt;
    }
    const std::uint64_t size = range.size();
    if (size > kMost - before) {
      return std::nullopt;
    }
    before += size;
  }
  return std::nullopt;
}

}  // namespace vk8s::base
