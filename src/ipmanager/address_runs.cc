#include "ipmanager/address_runs.h"

#include <iterator>

namespace vk8s::ipmanager {
namespace {

bool is_after(const IpAddress& address, const IpAddress& before) {
  const auto next = before.plus(1);
  return next && *next == address;
}

}  // namespace

AddressRuns::Runs::const_iterator AddressRuns::run_of(const IpAddress& address) const {
  auto after = runs_.upper_bound(address);
  if (after == runs_.begin()) {
    return runs_.end();
  }
  const auto run = std::prev(after);
  return address <= run->second ? run : runs_.end();
}

bool AddressRuns::contains(const IpAddress& address) const {
  return run_of(address) != runs_.end();
}

void AddressRuns::add(const IpAddress& address) {
  if (contains(address)) {
    return;
  }
  auto after = runs_.upper_bound(address);
  IpAddress last = address;
  if (after != runs_.end() && is_after(after->first, address)) {
    last = after->second;
    after = runs_.erase(after);
  }
  if (after != runs_.begin()) {
    if (const auto before = std::prev(after); is_after(address, before->second)) {
      before->second = last;
      return;
    }
  }
  runs_.emplace_hint(after, address, last);
}

void AddressRuns::remove(const IpAddress& address) {
  const auto found = run_of(address);
  if (found == runs_.end()) {
    return;
  }
  const IpRange run = *IpRange::create(found->first, found->second);
  runs_.erase(found);
  const std::uint64_t index = *run.index_of(address);
  if (index > 0) {
    runs_.emplace(run.first(), *run.nth(index - 1));
  }
  if (address < run.last()) {
    runs_.emplace(*address.plus(1), run.last());
  }
}

std::optional<IpAddress> AddressRuns::next_free(const IpAddress& from,
                                                const IpAddress& last) const {
  const auto run = run_of(from);
  if (run == runs_.end()) {
    return from <= last ? std::optional(from) : std::nullopt;
  }
  const auto next = run->second.plus(1);
  return next && *next <= last ? std::optional(*next) : std::nullopt;
}

}  // namespace vk8s::ipmanager
