#include "ipmanager/address_runs.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace vk8s::ipmanager {
namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

std::string next(const AddressRuns& runs, std::string_view from, std::string_view last) {
  const auto free = runs.next_free(ip(from), ip(last));
  return free ? free->to_string() : "none";
}

TEST(AddressRuns, FindsTheNextFreeAddress) {
  AddressRuns runs;
  EXPECT_EQ(next(runs, "10.0.0.1", "10.0.0.9"), "10.0.0.1");
  for (const char* taken : {"10.0.0.1", "10.0.0.3", "10.0.0.2"}) {
    runs.add(ip(taken));
  }
  EXPECT_EQ(runs.count_runs(), 1U);
  EXPECT_EQ(next(runs, "10.0.0.1", "10.0.0.9"), "10.0.0.4");
  EXPECT_EQ(next(runs, "10.0.0.2", "10.0.0.3"), "none");
  EXPECT_EQ(next(runs, "10.0.0.5", "10.0.0.4"), "none");
}

TEST(AddressRuns, EndsWithItsFamily) {
  AddressRuns runs;
  runs.add(ip("255.255.255.255"));
  runs.add(ip("::"));
  EXPECT_EQ(runs.count_runs(), 2U);
  EXPECT_EQ(next(runs, "255.255.255.255", "255.255.255.255"), "none");
  runs.add(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(next(runs, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            "none");
}

TEST(AddressRuns, AgreesWithASetUnderRandomChanges) {
  std::mt19937 random(7);
  const IpAddress first = ip("10.0.0.0");
  std::set<IpAddress> model;
  AddressRuns runs;
  for (int i = 0; i < 5000; ++i) {
    const IpAddress address = *first.plus(random() % 300);
    if (random() % 2 == 0) {
      model.insert(address);
      runs.add(address);
    } else {
      model.erase(address);
      runs.remove(address);
    }
    const IpAddress from = *first.plus(random() % 300);
    std::optional<IpAddress> wanted = from;
    while (wanted && model.contains(*wanted)) {
      const auto after = wanted->plus(1);
      wanted = after ? std::optional(*after) : std::nullopt;
    }
    ASSERT_EQ(runs.next_free(from, ip("10.0.2.0")), wanted) << i;
    ASSERT_EQ(runs.contains(address), model.contains(address)) << i;
  }
  std::size_t count = 0;
  for (const IpAddress& address : model) {
    const auto after = address.plus(1);
    count += model.contains(*after) ? 0U : 1U;
  }
  EXPECT_EQ(runs.count_runs(), count);
}

}  // namespace
}  // namespace vk8s::ipmanager
