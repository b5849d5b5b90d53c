#include "base/fuzz.h"
#include "base/ip_range.h"
#include "base/text.h"

namespace {
using namespace vk8s;

void check_range(const IpRange& range) {
  const auto again = IpRange::parse(range.to_string());
  fuzz::require(again && *again == range, "a range survives the round trip");
  fuzz::require(range.contains(range.first()) && range.contains(range.last()),
                "a range contains its ends");
  const auto first = range.nth(0);
  fuzz::require(first && *first == range.first() && range.index_of(*first) == 0U,
                "a range begins with its first address");
  const auto last = range.nth(range.size() - 1);
  fuzz::require(!last || range.contains(*last), "a range contains its addresses");
  fuzz::require(range.size() == ~std::uint64_t{0} || !range.nth(range.size()),
                "nothing is beyond the last address");
}

void check_set(const IpRangeSet& set) {
  std::uint64_t total = 0;
  const IpRange* before = nullptr;
  for (const IpRange& range : set.ranges()) {
    check_range(range);
    total = range.size() > ~std::uint64_t{0} - total ? ~std::uint64_t{0} : total + range.size();
    if (before != nullptr) {
      fuzz::require(before->last() < range.first(), "ranges of a set are in order, apart");
    }
    before = &range;
    fuzz::require(set.contains(range.first()) && set.contains(range.last()) && set.overlaps(range),
                  "a set contains its ranges");
  }
  fuzz::require(set.size() == total, "a set is as large as its ranges");
  for (const std::uint64_t index : {std::uint64_t{0}, total / 2, total - 1}) {
    if (const auto address = set.nth(index)) {
      fuzz::require(set.index_of(*address) == index, "nth and index_of agree");
    }
  }
}

}  // namespace

// Lines of ranges; those that begin with '!' are taken away again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  IpRangeSet set;
  for (const std::string_view line : base::split(fuzz::text_of(data, size), '\n')) {
    const bool removes = line.starts_with('!');
    const auto range = IpRange::parse(line.substr(removes ? 1 : 0));
    if (!range) {
      continue;
    }
    check_range(*range);
    if (removes) {
      set.remove(*range);
      fuzz::require(!set.overlaps(*range), "what was taken away is not in");
    } else {
      set.add(*range);
      fuzz::require(set.contains(range->first()) && set.contains(range->last()),
                    "what was added is in");
    }
  }
  check_set(set);
  return 0;
}
