#include "ipnode/plugin_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sys/file.h"

namespace vk8s::ipnode {
namespace {

class PluginFileTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(sys::ensure_directory(folder_));
    ASSERT_TRUE(sys::write_file(program_, "new", {.mode = 0755}));
  }
  static unsigned mode(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777U : 0;
  }

  sys::TempDir root_ = *sys::TempDir::create();
  std::string program_ = root_.path() + "/vk8s-ipam";
  std::string folder_ = root_.path() + "/bin";
  std::string target_ = folder_ + "/vk8s-ipam";
};

TEST_F(PluginFileTest, IsCopiedOnceAndReplacedWhenItIsAnother) {
  EXPECT_EQ(install_plugin(program_, folder_).value(), true);
  EXPECT_EQ(sys::read_file(target_).value(), "new");
  EXPECT_EQ(mode(target_), 0755U);
  EXPECT_EQ(install_plugin(program_, folder_).value(), false);
  ASSERT_TRUE(sys::write_file(program_, "newer"));
  EXPECT_EQ(install_plugin(program_, folder_).value(), true);
  EXPECT_EQ(sys::read_file(target_).value(), "newer");
  EXPECT_EQ(sys::list_directory(folder_)->size(), 1U) << "nothing half written is left";
}

TEST_F(PluginFileTest, IsMendedWhereItCannotBeExecuted) {
  ASSERT_TRUE(sys::write_file(target_, "new", {.mode = 0644}));
  EXPECT_EQ(install_plugin(program_, folder_).value(), true);
  EXPECT_EQ(mode(target_), 0755U);
}

TEST_F(PluginFileTest, SaysWhatIsMissing) {
  EXPECT_FALSE(install_plugin(root_.path() + "/absent", folder_));
  EXPECT_FALSE(install_plugin(program_, root_.path() + "/absent"));
}

}  // namespace
}  // namespace vk8s::ipnode
