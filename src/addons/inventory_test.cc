#include "addons/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/inventory_store.h"
#include "addons/test_set.h"
#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::object_of;

InventoryEntry entry(const std::string& name, const std::string& version = "v1") {
  return {.id = {"apps", "Deployment", "n", name}, .version = version};
}

std::vector<InventoryEntry> entries(int count) {
  std::vector<InventoryEntry> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(entry(fmt::format("d-{:04}", i)));
  }
  return out;
}

// One line is "apps/v1 Deployment n d-0000\n": 28 bytes.
constexpr Inventory::Limits kTen{.max_part_bytes = 285, .max_parts = 4};

Result<Inventory> read_again(const Inventory& inventory) {
  JsonArray config_maps;
  for (const auto& [number, part] : inventory.parts()) {
    config_maps.push_back(inventory.to_config_map(number, "kube-system"));
  }
  return Inventory::parse("demo", config_maps);
}

TEST(Inventory, SurvivesBeingWrittenAndRead) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add({entry("a"),
                             {.id = {"", "Namespace", "", "n"}, .version = "v1"},
                             {.id = {"example.org", "Thing", "n", "t"}, .version = "v1beta1"}}));
  inventory.describe(InventoryState::kRemoving, "sha256:1", "26.03");
  const auto again = read_again(inventory);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->entries(), inventory.entries());
  EXPECT_EQ(again->entries()[1].version, inventory.entries()[1].version);
  EXPECT_EQ(again->state(), InventoryState::kRemoving);
  EXPECT_EQ(again->digest(), "sha256:1");
  EXPECT_EQ(again->version(), "26.03");
}

TEST(Inventory, GrowsByAppendingAndMovesNothing) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add(entries(15), kTen));
  ASSERT_EQ(inventory.parts().size(), 2U);
  const auto first = inventory.parts().at(0).entries;
  inventory.remove(entry("d-0003").id);
  // One place is free in the first, the rest goes behind.
  ASSERT_TRUE(inventory.add({entry("a-0001"), entry("a-0002")}, kTen));
  for (const InventoryEntry& one : first) {
    EXPECT_EQ(inventory.parts().at(0).entries.contains(one), one.id.name != "d-0003");
  }
  EXPECT_EQ(inventory.parts().at(0).entries.size(), 10U);
  EXPECT_EQ(inventory.parts().at(1).entries.size(), 6U);
  EXPECT_LE(inventory.parts().at(0).bytes, kTen.max_part_bytes);
}

TEST(Inventory, AddsAllOrNothing) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add(entries(20), kTen));
  const auto refused = inventory.add(
      [] {
        auto more = entries(45);
        return more;
      }(),
      kTen);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kTooLarge);
  EXPECT_EQ(inventory.entries().size(), 20U);
}

TEST(Inventory, KeepsTheLatestVersionOfAnEntry) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add({entry("a", "v1beta1")}));
  ASSERT_TRUE(inventory.add({entry("a", "v1")}));
  ASSERT_EQ(inventory.entries().size(), 1U);
  EXPECT_EQ(inventory.entries()[0].version, "v1");
}

TEST(Inventory, RefusesWhatItCannotRead) {
  const auto refusal = [](const std::string& name, const std::string& data) {
    const auto parsed = Inventory::parse(
        "demo", {object_of(fmt::format("metadata: {{name: {}}}\ndata: {}", name, data))});
    return parsed ? "" : parsed.error().message();
  };
  EXPECT_EQ(refusal("vk8s-addon-demo-0", R"({state: installed, objects: "v1 Namespace - n\n"})"),
            "");
  EXPECT_THAT(refusal("vk8s-addon-demo-0", R"({state: odd})"), HasSubstr("unknown state"));
  EXPECT_THAT(refusal("vk8s-addon-demo-x", "{}"), HasSubstr("number"));
  EXPECT_THAT(refusal("vk8s-addon-demo-01", "{}"), HasSubstr("number"));
  for (const char* line : {"v1 Namespace n", "v1 Namespace - a/b", "a/b/v1 Namespace - n",
                           "/v1 A - n", "v1 Namespace  n", "v1 A - n%2f"}) {
    EXPECT_THAT(refusal("vk8s-addon-demo-1", fmt::format("{{objects: \"{}\\n\"}}", line)),
                HasSubstr("no object's name"))
        << line;
  }
}

class InventoryStoreTest : public ::testing::Test {
 protected:
  Result<Inventory> load(InventoryStore& store) {
    Result<Inventory> out = fail(Errc::kInternal, "no answer");
    store.load([&](Result<Inventory> loaded) { out = std::move(loaded); });
    timers_.advance({});
    return out;
  }
  Result<Inventory> save(InventoryStore& store, Inventory inventory) {
    Result<Inventory> out = fail(Errc::kInternal, "no answer");
    store.save(std::move(inventory), [&](Result<Inventory> saved) { out = std::move(saved); });
    timers_.advance({});
    return out;
  }
  std::vector<std::string> written() const {
    std::vector<std::string> out;
    for (const kube::FakeRequest& request : server_.requests()) {
      if (request.verb != "list") {
        out.push_back(request.verb + " " + request.key.name);
      }
    }
    return out;
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  InventoryStore store_{server_, "kube-system", "demo"};
};

TEST_F(InventoryStoreTest, WritesTheFirstPartLastAndOnlyWhatHasChanged) {
  Inventory inventory = load(store_).value();
  EXPECT_TRUE(inventory.empty());
  ASSERT_TRUE(inventory.add(entries(25), kTen));
  inventory = save(store_, inventory).value();
  EXPECT_THAT(written(), ElementsAre("create vk8s-addon-demo-2", "create vk8s-addon-demo-1",
                                     "create vk8s-addon-demo-0"));
  server_.clear_requests();
  inventory.remove(entry("d-0012").id);
  inventory = save(store_, inventory).value();
  EXPECT_THAT(written(), ElementsAre("update vk8s-addon-demo-1"));
  EXPECT_EQ(load(store_).value().entries(), inventory.entries());
}

TEST_F(InventoryStoreTest, DeletesPartsThatAreEmpty) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add(entries(15), kTen));
  inventory = save(store_, inventory).value();
  for (const InventoryEntry& one : entries(15)) {
    inventory.remove(one.id);
  }
  inventory = save(store_, inventory).value();
  EXPECT_EQ(server_.peek(kube::resources::kConfigMap, {"kube-system", "vk8s-addon-demo-1"}),
            nullptr);
  EXPECT_NE(server_.peek(kube::resources::kConfigMap, {"kube-system", "vk8s-addon-demo-0"}),
            nullptr);
  bool is_gone = false;
  store_.erase(inventory, [&](Status status) { is_gone = status.has_value(); });
  timers_.advance({});
  EXPECT_TRUE(is_gone);
  EXPECT_TRUE(load(store_).value().empty());
}

TEST_F(InventoryStoreTest, TwoWritersDoNotOverwriteEachOther) {
  Inventory mine = load(store_).value();
  Inventory other = mine;
  ASSERT_TRUE(mine.add({entry("a")}));
  ASSERT_TRUE(other.add({entry("b")}));
  ASSERT_TRUE(save(store_, mine));
  EXPECT_EQ(save(store_, other).error().code(), Errc::kConflict);
  other = load(store_).value();
  ASSERT_TRUE(other.add({entry("b")}));
  EXPECT_EQ(save(store_, other).value().entries().size(), 2U);
}

TEST_F(InventoryStoreTest, ACrashBetweenTwoPartsLosesNothingThatWasThere) {
  Inventory inventory("demo");
  ASSERT_TRUE(inventory.add(entries(15), kTen));
  inventory = save(store_, inventory).value();
  const auto before = inventory.entries();
  ASSERT_TRUE(inventory.add(entries(35), kTen));
  // The second of its writes does not arrive.
  int writes = 0;
  server_.set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb != "list" && ++writes == 2) {
      return Error(Errc::kUnavailable, "away");
    }
    return std::nullopt;
  });
  EXPECT_FALSE(save(store_, inventory));
  const auto found = load(store_).value();
  for (const InventoryEntry& one : before) {
    EXPECT_TRUE(found.contains(one.id)) << one.id.to_string();
  }
}

}  // namespace
}  // namespace vk8s::addons
