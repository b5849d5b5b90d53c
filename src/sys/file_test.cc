#include "sys/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sys/cgroup.h"
#include "sys/mount.h"

namespace vk8s::sys {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  FileTest() : folder_(std::move(*TempDir::create())) {}
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  TempDir folder_;
};

TEST_F(FileTest, WritesWithModeAndReadsBack) {
  ASSERT_TRUE(write_file(path("key"), "secret", {.mode = 0600, .durable = true}));
  EXPECT_EQ(*read_file(path("key")), "secret");
  struct stat info {};
  ASSERT_EQ(::stat(path("key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_THAT(*list_directory(folder_.path()), ElementsAre("key"));
}

TEST_F(FileTest, AFailedWriteLeavesTheOldContentAndNoOtherFile) {
  ASSERT_TRUE(ensure_directory(path("target/inner")));
  EXPECT_FALSE(write_file(path("target"), "x"));
  EXPECT_THAT(*list_directory(folder_.path()), ElementsAre("target"));
}

TEST_F(FileTest, RefusesToReadMoreThanTheLimit) {
  ASSERT_TRUE(write_file(path("large"), std::string(100, 'x')));
  const auto content = read_file(path("large"), 99);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), Errc::kTooLarge);
  EXPECT_EQ(read_file(path("absent")).error().code(), Errc::kNotFound);
}

TEST_F(FileTest, EnsureDirectoryIsIdempotentAndRefusesAFile) {
  EXPECT_TRUE(ensure_directory(path("a/b/c")));
  EXPECT_TRUE(ensure_directory(path("a/b/c")));
  ASSERT_TRUE(write_file(path("file"), ""));
  EXPECT_FALSE(ensure_directory(path("file")));
  EXPECT_FALSE(ensure_directory(path("file/below")));
}

TEST_F(FileTest, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(ensure_directory(path("kept")));
  ASSERT_TRUE(write_file(path("kept/file"), "x"));
  ASSERT_TRUE(ensure_directory(path("gone/deep")));
  ASSERT_EQ(::symlink(path("kept").c_str(), path("gone/deep/link").c_str()), 0);
  ASSERT_TRUE(remove_tree(path("gone")));
  EXPECT_FALSE(exists(path("gone")));
  EXPECT_TRUE(exists(path("kept/file")));
  EXPECT_TRUE(remove_tree(path("gone")));
}

TEST(ParseMountinfo, ReadsEscapesAndOptionalFields) {
  const auto entries = parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=c\n"
      "37 35 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n");
  ASSERT_TRUE(entries) << entries.error().message();
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ((*entries)[0].mount_point, "/mnt 2");
  EXPECT_EQ((*entries)[0].root, "/mnt1");
  EXPECT_EQ((*entries)[0].file_system, "ext3");
  EXPECT_EQ((*entries)[1].file_system, "cgroup2");
}

TEST(ParseMountinfo, NamesAMalformedLine) {
  const auto entries = parse_mountinfo("36 35 98:0 / /mnt rw\n");
  ASSERT_FALSE(entries);
  EXPECT_THAT(entries.error().message(), HasSubstr("too few fields"));
}

TEST(ParseProcCgroup, ReadsHybridLines) {
  const auto groups = parse_proc_cgroup("9:name=systemd:/a\n4:memory:/b/c\n0::/\n");
  ASSERT_TRUE(groups);
  EXPECT_EQ(groups->at("memory"), "/b/c");
  EXPECT_EQ(groups->at("name=systemd"), "/a");
  EXPECT_EQ(groups->at(""), "/");
  EXPECT_FALSE(parse_proc_cgroup("nonsense"));
}

}  // namespace
}  // namespace vk8s::sys
