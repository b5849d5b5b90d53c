#include "host/machine_limits.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

// A /proc/sys of files in a folder.
class MachineLimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [key, least] : MachineLimits::needed()) {
      set(key, key == "kernel.pid_max" ? least * 2 : least / 10);
    }
  }
  std::string file(std::string key) const {
    for (char& c : key) {
      c = c == '.' ? '/' : c;
    }
    return folder_.path() + "/sysctl/" + key;
  }
  void set(const std::string& key, long long value) {
    const std::string path = file(key);
    ASSERT_TRUE(sys::ensure_directory(path.substr(0, path.rfind('/'))));
    ASSERT_TRUE(sys::write_file(path, std::to_string(value) + "\n"));
  }
  std::string get(const std::string& key) const {
    return std::string(base::trim(*sys::read_file(file(key))));
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  LimitFiles files_{.sysctl_root = folder_.path() + "/sysctl",
                    .state_file = folder_.path() + "/limits.json"};
  // An ordinary file keeps the tail of a longer old value, so values here only grow
  // or keep their length; the kernel's files do not.
  const std::string key_ = "fs.inotify.max_user_instances";
};

TEST_F(MachineLimitsTest, RaisesWhatIsLowerAndLowersNothing) {
  const auto not_raised = MachineLimits(files_).raise("a");
  ASSERT_TRUE(not_raised) << not_raised.error().message();
  EXPECT_TRUE(not_raised->empty());
  EXPECT_EQ(get(key_), "8192");
  EXPECT_EQ(get("kernel.pid_max"), "524288");
}

TEST_F(MachineLimitsTest, RestoresWhenTheLastUserHasGone) {
  set(key_, 1024);
  ASSERT_TRUE(MachineLimits(files_).raise("a"));
  ASSERT_TRUE(MachineLimits(files_).raise("b"));
  ASSERT_TRUE(MachineLimits(files_).raise("b"));
  ASSERT_TRUE(MachineLimits(files_).release("a"));
  EXPECT_EQ(get(key_), "8192");
  ASSERT_TRUE(MachineLimits(files_).release("b"));
  EXPECT_EQ(get(key_), "1024");
  EXPECT_FALSE(sys::exists(files_.state_file));
  EXPECT_FALSE(sys::exists(files_.state_file + ".lock"));
  EXPECT_TRUE(MachineLimits(files_).release("b"));
}

TEST_F(MachineLimitsTest, LeavesWhatSomebodyElseHasChangedSince) {
  ASSERT_TRUE(MachineLimits(files_).raise("a"));
  set(key_, 9999);
  ASSERT_TRUE(MachineLimits(files_).release("a"));
  EXPECT_EQ(get(key_), "9999");
}

TEST_F(MachineLimitsTest, SaysWhatCannotBeRaised) {
  ASSERT_TRUE(sys::remove_tree(file(key_)));
  const auto not_raised = MachineLimits(files_).raise("a");
  ASSERT_TRUE(not_raised);
  ASSERT_EQ(not_raised->size(), 1U);
  EXPECT_NE(not_raised->front().find("max_user_instances"), std::string::npos);
}

}  // namespace
}  // namespace vk8s::host
