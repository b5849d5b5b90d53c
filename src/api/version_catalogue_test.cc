#include "api/version_catalogue.h"

#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

TEST(VersionCatalogue, FindsByMinorAndByFullVersion) {
  ASSERT_NE(find_release("1.37"), nullptr);
  EXPECT_EQ(find_release("1.37")->version, "1.37.2");
  EXPECT_EQ(find_release("v1.37.2"), find_release("1.37"));
  EXPECT_EQ(find_release("1.3"), nullptr);
  EXPECT_EQ(find_release(""), nullptr);
}

TEST(VersionCatalogue, TakesTheVersionAskedForBeforeTheImagesTag) {
  EXPECT_EQ((*resolve_release("1.37", "example/vnode:v1.99.0"))->minor, "1.37");
  EXPECT_EQ((*resolve_release("", "example:5000/vk8s/vnode:v1.37.2"))->minor, "1.37");
}

TEST(VersionCatalogue, FallsBackToTheDefault) {
  EXPECT_EQ(*resolve_release("", ""), &releases().front());
  EXPECT_EQ(*resolve_release("", "example/vnode:latest"), &releases().front());
  EXPECT_EQ(*resolve_release("", "example:5000/vnode"), &releases().front());
}

TEST(VersionCatalogue, NamesTheVersionsThereAreWhenItHasNotGotOne) {
  const auto result = resolve_release("1.12", "");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::kUnsupported);
  EXPECT_NE(result.error().message().find("spec.kubernetes.version"), std::string::npos);
  EXPECT_NE(result.error().message().find("1.37"), std::string::npos);
  EXPECT_NE(resolve_release("", "a/b:v1.12.0").error().message().find("image tag"),
            std::string::npos);
}

TEST(VersionCatalogue, ReadsTheTagOfAnImage) {
  EXPECT_EQ(image_tag("registry:5000/vk8s/vnode:v1.37.2@sha256:abc"), "v1.37.2");
  EXPECT_EQ(image_tag("registry:5000/vk8s/vnode"), "");
  EXPECT_EQ(image_tag("vnode:x"), "x");
}

TEST(VersionCatalogue, EveryReleasesImageCarriesItsVersion) {
  for (const KubernetesRelease& release : releases()) {
    EXPECT_EQ(image_tag(release.image), "v" + std::string(release.version));
    EXPECT_TRUE(release.version.starts_with(release.minor));
  }
}

}  // namespace
}  // namespace vk8s::api
