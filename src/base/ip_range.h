// Spans of IP addresses of one family, first to last, and sets of them. Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "base/error.h"

namespace vk8s::base {

class IpRange {
 public:
  // 0.0.0.0
  IpRange() = default;
  // kInvalidArgument for two families, a first beyond the last, and for what holds
  // IPv4-mapped addresses: no range of IPv6 goes over them.
  static Result<IpRange> create(const IpAddress& first, const IpAddress& last);
  // "10.0.0.5-10.0.0.9", a CIDR block, or one address. Strict as cidr.h is.
  static Result<IpRange> parse(std::string_view text);

  const IpAddress& first() const { return first_; }
  const IpAddress& last() const { return last_; }
  bool is_v4() const { return first_.is_v4(); }
  bool contains(const IpAddress& address) const;
  bool overlaps(const IpRange& other) const;
  // How many addresses; 2^64 - 1 if there are more.
  std::uint64_t size() const;
  // The first is the 0th; kExhausted beyond the last one.
  Result<IpAddress> nth(std::uint64_t index) const;
  // The address's index; nothing outside, and beyond 2^64 - 2.
  std::optional<std::uint64_t> index_of(const IpAddress& address) const;
  // "10.0.0.5-10.0.0.9", or the address alone where it is one.
  std::string to_string() const;

  auto operator<=>(const IpRange&) const = default;
  bool operator==(const IpRange&) const = default;

 private:
  IpRange(const IpAddress& first, const IpAddress& last) : first_(first), last_(last) {}

  IpAddress first_;
  IpAddress last_;
};

// Addresses as sorted ranges that neither overlap nor touch. IPv4 comes before IPv6.
class IpRangeSet {
 public:
  IpRangeSet() = default;

  void add(const IpRange& range);
  void remove(const IpRange& range);

  bool contains(const IpAddress& address) const;
  bool overlaps(const IpRange& range) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<IpRange>& ranges() const { return ranges_; }
  // How many addresses; 2^64 - 1 if there are more.
  std::uint64_t size() const;
  // In order; kExhausted beyond the last one.
  Result<IpAddress> nth(std::uint64_t index) const;
  // The address's place in that order; nothing outside, and beyond 2^64 - 2.
  std::optional<std::uint64_t> index_of(const IpAddress& address) const;

  bool operator==(const IpRangeSet&) const = default;

 private:
  std::vector<IpRange> ranges_;
};

}  // namespace vk8s::base

namespace vk8s {
using base::IpRange;
using base::IpRangeSet;
}  // namespace vk8s
