#include "cni/record_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <atomic>
#include <thread>

#include "base/unique_fd.h"
#include "sys/file.h"

namespace vk8s::cni {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kOwnNetns = "/proc/self/ns/net";

class RecordStoreTest : public testing::Test {
 protected:
  // Of a container whose namespace lives as long as this process.
  Record record(std::string_view address, std::string container) const {
    return {.address = *IpAddress::parse(address),
            .attachment = {std::move(container), "eth0"},
            .network = "vk8s",
            .pod = {"team-a", "demo-0", "uid-1"},
            .netns = kOwnNetns,
            .netns_inode = *netns_inode(kOwnNetns)};
  }
  // Its namespace was below a folder that is still there.
  Record gone(std::string_view address, std::string container) const {
    Record out = record(address, std::move(container));
    out.netns = folder_.path() + "/gone";
    return out;
  }
  std::vector<std::string> addresses() const {
    const auto records = store_.list();
    std::vector<std::string> out;
    for (const Record& each : *records) {
      out.push_back(each.address.to_string());
    }
    return out;
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  RecordStore store_{folder_.path() + "/records"};
};

TEST_F(RecordStoreTest, KeepsWhatItIsTold) {
  const Record v4 = record("10.1.0.7", "a");
  Record v6 = record("fd00::7", "b");
  v6.attachment.interface_name = "net1";
  ASSERT_TRUE(store_.add(v6));
  ASSERT_TRUE(store_.add(v4));
  EXPECT_THAT(*store_.list(), ElementsAre(v4, v6));
  EXPECT_EQ(*store_.find(v6.attachment), v6);
  EXPECT_EQ(*store_.find({"b", "eth0"}), std::nullopt);
}

TEST_F(RecordStoreTest, HasNothingBeforeTheFirstRecord) {
  EXPECT_THAT(*store_.list(), IsEmpty());
  EXPECT_EQ(*store_.remove({"a", "eth0"}), 0);
  EXPECT_EQ(*store_.keep_only("vk8s", {}), 0);
  EXPECT_EQ(*store_.sweep(), 0);
  EXPECT_FALSE(sys::exists(store_.folder()));
}

TEST_F(RecordStoreTest, RefusesAnAddressThatAContainerHas) {
  ASSERT_TRUE(store_.add(record("10.1.0.7", "a")));
  const Status again = store_.add(record("10.1.0.7", "b"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::kAlreadyExists);
  EXPECT_THAT(again.error().message(), HasSubstr("pod team-a/demo-0 (container a)"));
  EXPECT_THAT(*store_.list(), ElementsAre(record("10.1.0.7", "a")));
}

TEST_F(RecordStoreTest, TakesTheSameRecordAgain) {
  ASSERT_TRUE(store_.add(record("10.1.0.7", "a")));
  EXPECT_TRUE(store_.add(record("10.1.0.7", "a")));
}

TEST_F(RecordStoreTest, TakesOverWhatNoNamespaceHolds) {
  for (const Record& before : {gone("10.1.0.7", "a"),
                               [&] {  // the path is another namespace's now
                                 Record other = record("10.1.0.7", "a");
                                 ++other.netns_inode;
                                 return other;
                               }(),
                               [&] {  // of a process that has ended
                                 Record other = record("10.1.0.7", "a");
                                 other.netns = "/proc/0/ns/net";
                                 return other;
                               }()}) {
    ASSERT_TRUE(store_.add(before)) << before.netns;
    ASSERT_TRUE(store_.add(record("10.1.0.7", "b"))) << before.netns;
    EXPECT_THAT(*store_.list(), ElementsAre(record("10.1.0.7", "b")));
    ASSERT_EQ(*store_.remove({"b", "eth0"}), 1);
  }
}

TEST_F(RecordStoreTest, GivesAnAddressToOneOfManyAtOnce) {
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const RecordStore store(store_.folder());
      if (store.add(record("10.1.0.7", "container-" + std::to_string(i)))) {
        ++taken;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(store_.list()->size(), 1U);
}

TEST_F(RecordStoreTest, RemovesOnlyWhatIsTheAttachments) {
  ASSERT_TRUE(store_.add(record("10.1.0.7", "a")));
  ASSERT_TRUE(store_.add(record("10.1.0.8", "b")));
  EXPECT_EQ(*store_.remove({"a", "eth1"}), 0);
  EXPECT_EQ(*store_.remove({"a", "eth0"}), 1);
  EXPECT_EQ(*store_.remove({"a", "eth0"}), 0);
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.8"));
}

TEST_F(RecordStoreTest, KeepsOnlyWhatIsValidOfOneNetwork) {
  Record of_another_network = record("10.1.0.9", "c");
  of_another_network.network = "other";
  ASSERT_TRUE(store_.add(record("10.1.0.7", "a")));
  ASSERT_TRUE(store_.add(record("10.1.0.8", "b")));
  ASSERT_TRUE(store_.add(of_another_network));
  EXPECT_EQ(*store_.keep_only("vk8s", {{"b", "eth0"}}), 1);
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.8", "10.1.0.9"));
}

TEST_F(RecordStoreTest, SweepsOnlyWhatIsSurelyGone) {
  Record not_seen = record("10.1.0.9", "c");
  not_seen.netns = folder_.path() + "/not-mounted-here/netns";
  Record a_file = record("10.1.0.10", "d");
  a_file.netns = folder_.path() + "/file";
  ASSERT_TRUE(sys::write_file(a_file.netns, ""));
  for (const Record& each : {gone("10.1.0.7", "a"), record("10.1.0.8", "b"), not_seen, a_file}) {
    ASSERT_TRUE(store_.add(each));
  }
  ASSERT_TRUE(sys::write_file(store_.folder() + "/.new.x1y2z3", "of a writer that died"));
  EXPECT_EQ(*store_.sweep(), 1);
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.8", "10.1.0.9", "10.1.0.10"));
  EXPECT_FALSE(sys::exists(store_.folder() + "/.new.x1y2z3"));
}

TEST_F(RecordStoreTest, SweepsLaterWhileSomebodyElseChangesTheFolder) {
  ASSERT_TRUE(store_.add(gone("10.1.0.7", "a")));
  {
    const UniqueFd lock(::open((store_.folder() + "/.lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
    EXPECT_EQ(store_.sweep().error().code(), Errc::kUnavailable);
  }
  EXPECT_EQ(*store_.sweep(), 1);
}

TEST_F(RecordStoreTest, PassesOverFilesThatAreNoRecords) {
  ASSERT_TRUE(store_.add(record("10.1.0.7", "a")));
  for (const char* name : {"10.1.0.8", "10.1.0.08", "notes"}) {
    ASSERT_TRUE(sys::write_file(store_.folder() + "/" + name, "{}"));
  }
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.7"));
  const Status added = store_.add(record("10.1.0.8", "b"));
  ASSERT_FALSE(added) << "nobody knows whose it is";
  EXPECT_THAT(added.error().message(), HasSubstr("/10.1.0.8 (remove it if"));
}

TEST(Record, IsReadWhateverAnotherVersionAdded) {
  const auto record = parse_record(
      R"({"containerID": "a", "ifname": "eth0", "netns": "/run/netns/a", "netnsInode": 7,
          "since": "2031"})",
      *IpAddress::parse("10.1.0.7"));
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(record->netns_inode, 7U);
}

TEST(Record, IsRefusedWhereSomethingIsMissing) {
  for (const char* text :
       {"", "[]", R"({"ifname": "eth0", "netns": "/a", "netnsInode": 7})",
        R"({"containerID": "a", "netns": "/a", "netnsInode": 7})",
        R"({"containerID": "a", "ifname": "eth0", "netns": "a", "netnsInode": 7})",
        R"({"containerID": "a", "ifname": "eth0", "netns": "/a"})",
        R"({"containerID": "a", "ifname": "eth0", "netns": "/a", "netnsInode": -7})"}) {
    EXPECT_FALSE(parse_record(text, *IpAddress::parse("10.1.0.7"))) << text;
  }
}

}  // namespace
}  // namespace vk8s::cni
