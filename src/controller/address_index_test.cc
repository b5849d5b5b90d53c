#include "controller/address_index.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

api::IpAllocation allocation(std::string_view address, std::string cluster) {
  api::IpAllocation out;
  out.address = IpAddress::parse(address).value();
  out.owner = api::IpOwner{"team-a", "pod-0", std::move(cluster), "uid-1", "pod"};
  return out;
}

TEST(AddressIndex, KnowsTheAddressesOfEachCluster) {
  AddressIndex index;
  const api::IpAllocation first = allocation("10.1.0.1", "demo");
  index.put(first);
  index.put(allocation("10.1.0.2", "demo"));
  index.put(allocation("10.1.0.3", "other"));
  EXPECT_EQ(index.of_cluster({"team-a", "demo"}).size(), 2U);
  EXPECT_EQ(index.of_cluster({"team-b", "demo"}).size(), 0U);

  api::IpAllocation releasing = first;
  releasing.releasing = true;
  index.put(releasing);
  ASSERT_EQ(index.of_cluster({"team-a", "demo"}).size(), 2U);
  EXPECT_TRUE(index.of_cluster({"team-a", "demo"}).front().releasing);

  index.erase(releasing);
  EXPECT_EQ(index.of_cluster({"team-a", "demo"}).size(), 1U);
  index.erase(releasing);
  EXPECT_EQ(index.of_cluster({"team-a", "demo"}).size(), 1U);
}

TEST(AddressIndex, KnowsAnAddressOfOneClusterOnly) {
  AddressIndex index;
  index.put(allocation("10.1.0.1", "demo"));
  index.put(allocation("10.1.0.2", "demo"));
  EXPECT_EQ(index.put(allocation("10.1.0.1", "demo")), kube::ObjectKey());
  // What happened in between was missed.
  EXPECT_EQ(index.put(allocation("10.1.0.1", "other")), (kube::ObjectKey{"team-a", "demo"}));
  EXPECT_EQ(index.of_cluster({"team-a", "demo"}).size(), 1U);
  EXPECT_EQ(index.of_cluster({"team-a", "other"}).size(), 1U);
  api::IpAllocation reservation = allocation("10.1.0.2", "demo");
  reservation.owner.reset();
  index.put(reservation);
  EXPECT_TRUE(index.of_cluster({"team-a", "demo"}).empty());
  index.erase(allocation("10.1.0.1", "other"));
  EXPECT_TRUE(index.of_cluster({"team-a", "other"}).empty());
}

TEST(AddressIndex, LeavesOutWhatIsOfNoCluster) {
  AddressIndex index;
  index.put(allocation("10.1.0.1", ""));
  api::IpAllocation reservation = allocation("10.1.0.2", "demo");
  reservation.owner.reset();
  index.put(reservation);
  EXPECT_TRUE(index.of_cluster({"team-a", "demo"}).empty());
  EXPECT_TRUE(index.of_cluster({"team-a", ""}).empty());
  index.erase(reservation);
}

TEST(AddressIndex, KnowsWhetherItIsComplete) {
  AddressIndex index;
  EXPECT_FALSE(index.has_synced());
  index.set_synced();
  EXPECT_TRUE(index.has_synced());
}

}  // namespace
}  // namespace vk8s::controller
