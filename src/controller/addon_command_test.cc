#include "controller/addon_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/file.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;

TEST(AddonCommand, ListsTheImagesOfASetOnce) {
  const auto folder = sys::TempDir::create("addon");
  ASSERT_TRUE(folder);
  const std::string path = folder->path() + "/set.yaml";
  ASSERT_TRUE(sys::write_file(path, R"(
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x}
spec:
  containers:
  - {name: a, image: busybox, args: ["--image=ghcr.io/demo/helper:v1"]}
  - {name: b, image: docker.io/library/busybox:latest}
  - {name: c, image: ghcr.io/demo/server:v2}
)"));
  const std::string list =
      "image docker.io/library/busybox:latest Pod x/a\n"
      "image ghcr.io/demo/server:v2 Pod x/a\n"
      "maybe ghcr.io/demo/helper:v1 Pod x/a\n";
  EXPECT_EQ(list_addon_images(path).value_or("none"), list);
  EXPECT_EQ(list_addon_images(folder->path()).value_or("none"), list);
}

TEST(AddonCommand, RefusesWhatTheControllerWould) {
  const auto folder = sys::TempDir::create("addon");
  ASSERT_TRUE(folder);
  EXPECT_FALSE(list_addon_images(folder->path() + "/none.yaml"));
  ASSERT_TRUE(sys::write_file(folder->path() + "/set.yaml", "kind: Pod\n"));
  const auto list = list_addon_images(folder->path());
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message(), HasSubstr("set.yaml"));
}

}  // namespace
}  // namespace vk8s::controller
