// Which addresses are taken, as runs of neighbours: the next free one is found in
// logarithmic time, however full a range is and however wide. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "base/ip_range.h"

namespace vk8s::ipmanager {

class AddressRuns {
 public:
  // Both may be told what is so already.
  void add(const IpAddress& address);
  void remove(const IpAddress& address);

  bool contains(const IpAddress& address) const;
  // The first address from `from` to `last` that is not in.
  std::optional<IpAddress> next_free(const IpAddress& from, const IpAddress& last) const;
  std::size_t count_runs() const { return runs_.size(); }

 private:
  using Runs = std::map<IpAddress, IpAddress>;  // first to last; none touches another
  Runs::const_iterator run_of(const IpAddress& address) const;

  Runs runs_;
};

}  // namespace vk8s::ipmanager
