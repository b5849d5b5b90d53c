#include "agent/registry_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/file.h"

namespace vk8s::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

class RegistryAuthTest : public testing::Test {
 protected:
  void write(const std::string& text) {
    ASSERT_TRUE(sys::write_file(paths_.given("registry-auth"), text));
  }

  sys::TempDir folder_ = sys::TempDir::create().value();
  NodePaths paths_ = {.config = folder_.path()};
};

TEST_F(RegistryAuthTest, IsOfTheMirrorOfEveryRegistry) {
  EXPECT_TRUE(may_have_registry_auth({.mirrors = {{"*", "https://registry.example", ""}}}));
  EXPECT_FALSE(may_have_registry_auth({.mirrors = {{"docker.io", "https://other.example", ""}}}));
}

TEST_F(RegistryAuthTest, NoFileIsNoCredentials) {
  EXPECT_EQ(read_registry_auth(paths_).value_or("an error"), "");
  write("cmVhZGVyOnNlY3JldA==\n");
  EXPECT_EQ(read_registry_auth(paths_).value_or("an error"), "cmVhZGVyOnNlY3JldA==");
}

TEST_F(RegistryAuthTest, SaysWhatIsWrongWithoutRepeatingIt) {
  write("s3cret\"\n[host]\n");
  const auto auth = read_registry_auth(paths_);
  ASSERT_FALSE(auth);
  EXPECT_THAT(auth.error().message(), HasSubstr("registry-auth"));
  EXPECT_THAT(auth.error().message(), Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace vk8s::agent
