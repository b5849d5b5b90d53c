#include "ipmanager/allocation_index.h"

#include <gtest/gtest.h>

#include "ipmanager/test_objects.h"

namespace vk8s::ipmanager {
namespace {

using testing::ip;
using testing::node_of;
using testing::owner;

struct Version {
  std::string uid;
  std::uint64_t version = 0;
  std::int64_t generation = 1;
  bool releasing = false;
};

kube::ObjectPtr kept(std::string_view address, const std::optional<api::IpOwner>& owner,
                     const Version& at) {
  Json object = testing::allocation_object(address, owner);
  JsonObject& metadata = object.at("metadata").as_object();
  metadata["uid"] = at.uid;
  metadata["resourceVersion"] = std::to_string(at.version);
  metadata["generation"] = at.generation;
  if (at.releasing) {
    object.at("spec").as_object()["releasing"] = true;
  }
  return std::make_shared<const Json>(compact(std::move(object)));
}

std::string held_by(const AllocationIndex& index, const api::IpOwner& owner) {
  std::string out;
  for (const AllocationIndex::Held& held : index.find_by_owner(owner)) {
    out += (out.empty() ? "" : " ") + held.allocation.address.to_string() +
           (held.allocation.releasing ? "-" : "") + (held.contested ? "?" : "");
  }
  return out;
}

TEST(AllocationIndex, KeepsWhatIsNeededOfAnObject) {
  AllocationIndex index;
  Json object = testing::allocation_object("fd00::7", node_of("demo", "uid-1"), "pool-1");
  object.at("metadata").as_object()["uid"] = "u";
  object.at("metadata").as_object()["resourceVersion"] = "12";
  object.at("spec").as_object()["note"] = "3:x\nfor: the camera";
  api::IpAllocation wanted = *api::parse_ip_allocation(object);
  const auto small = std::make_shared<const Json>(compact(object));
  EXPECT_EQ(index.put(small), ip("fd00::7"));
  EXPECT_EQ(index.find(ip("fd00::7"))->allocation, wanted);
  EXPECT_EQ(index.list(), std::vector{wanted});
  EXPECT_EQ(index.erase(small), ip("fd00::7"));
  EXPECT_FALSE(index.find(ip("fd00::7")));
  EXPECT_EQ(index.size(), 0U);
}

TEST(AllocationIndex, PassesOverWhatIsNoAllocationButTakesAnAddressForTaken) {
  AllocationIndex index;
  Json nameless = JsonObject{{"metadata", JsonObject{{"name", "demo"}, {"resourceVersion", "1"}}}};
  EXPECT_EQ(index.put(std::make_shared<const Json>(compact(nameless))), std::nullopt);
  Json broken = JsonObject{{"metadata", JsonObject{{"name", "10.1.0.7"}, {"uid", "u"}}},
                           {"spec", JsonObject{{"address", "10.1.0.8"}}}};
  EXPECT_EQ(index.put(std::make_shared<const Json>(compact(broken))), ip("10.1.0.7"));
  EXPECT_TRUE(index.contains(ip("10.1.0.7")));
  EXPECT_FALSE(index.find(ip("10.1.0.7"))->allocation.owner);
}

TEST(AllocationIndex, HasTheEarliestClaimStand) {
  AllocationIndex index;
  const api::IpOwner pod = owner("p");
  index.put(kept("10.1.0.9", pod, {.uid = "a", .version = 10}));
  index.put(kept("10.1.0.1", pod, {.uid = "b", .version = 11}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.9 10.1.0.1?");
  // A write that is no new claim changes nothing.
  index.put(kept("10.1.0.9", pod, {.uid = "a", .version = 12, .generation = 2}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.9 10.1.0.1?");
  EXPECT_EQ(index.list_crowded().size(), 1U);
}

TEST(AllocationIndex, BeginsAClaimAnewWhenWhatWasGivenBackIsTakenAgain) {
  AllocationIndex index;
  const api::IpOwner pod = owner("p");
  index.put(kept("10.1.0.1", pod, {.uid = "a", .version = 10}));
  index.put(kept("10.1.0.1", pod, {.uid = "a", .version = 11, .generation = 2, .releasing = true}));
  EXPECT_EQ(index.list_releasing().size(), 1U);
  index.put(kept("10.1.0.2", pod, {.uid = "b", .version = 12}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.2 10.1.0.1-");
  index.put(kept("10.1.0.1", pod, {.uid = "a", .version = 13, .generation = 3}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.2 10.1.0.1?");
  EXPECT_TRUE(index.list_releasing().empty());
}

TEST(AllocationIndex, DoesNotTrustAClaimWhenItMissedWritesInBetween) {
  AllocationIndex index;
  const api::IpOwner pod = owner("p");
  index.put(kept("10.1.0.1", pod, {.uid = "a", .version = 10}));
  index.put(kept("10.1.0.2", pod, {.uid = "b", .version = 12}));
  // Given back at 11 and taken again at 13: two writes, of which a list shows the last.
  index.put(kept("10.1.0.1", pod, {.uid = "a", .version = 13, .generation = 3}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.2? 10.1.0.1?");
}

TEST(AllocationIndex, MarksTheLaterOfTwoInWhateverOrderAListHasThem) {
  AllocationIndex index;
  const api::IpOwner pod = owner("p");
  index.put(kept("10.1.0.1", pod, {.uid = "b", .version = 11}));
  index.put(kept("10.1.0.9", pod, {.uid = "a", .version = 10}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.9 10.1.0.1?");
  index.erase(kept("10.1.0.9", pod, {.uid = "a", .version = 10}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.1?");
  // Written to: whoever meant to delete it cannot any more.
  index.put(kept("10.1.0.1", pod, {.uid = "b", .version = 12}));
  EXPECT_EQ(held_by(index, pod), "10.1.0.1");
}

TEST(AllocationIndex, TellsPodsOfTwoClustersOfOneNameApart) {
  AllocationIndex index;
  index.put(kept("10.1.0.1", node_of("demo", "uid-1"), {.uid = "a", .version = 10}));
  index.put(kept("10.1.0.2", node_of("demo", "uid-2"), {.uid = "b", .version = 11}));
  EXPECT_EQ(held_by(index, node_of("demo", "uid-1")), "10.1.0.1");
  EXPECT_EQ(held_by(index, node_of("demo", "uid-2")), "10.1.0.2");
}

TEST(AllocationIndex, ForgetsAnAddressOnlyWithTheObjectItKnows) {
  AllocationIndex index;
  const auto first = kept("10.1.0.1", owner("p"), {.uid = "a", .version = 10});
  index.put(first);
  index.put(kept("10.1.0.1", owner("q"), {.uid = "b", .version = 20}));
  EXPECT_EQ(held_by(index, owner("p")), "");
  index.erase(first);
  EXPECT_EQ(held_by(index, owner("q")), "10.1.0.1");
}

TEST(AllocationIndex, ListsInParts) {
  AllocationIndex index;
  for (const char* address : {"10.1.0.3", "10.1.0.1", "10.1.0.2"}) {
    index.put(kept(address, std::nullopt, {.uid = address, .version = 1}));
  }
  const auto part = index.list_after(std::nullopt, 2);
  ASSERT_EQ(part.size(), 2U);
  EXPECT_EQ(part[1].address, ip("10.1.0.2"));
  EXPECT_EQ(index.list_after(part[1].address, 2).size(), 1U);
}

}  // namespace
}  // namespace vk8s::ipmanager
