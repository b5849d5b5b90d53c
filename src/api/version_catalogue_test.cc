#include "api/version_catalogue.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/file.h"

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

TEST(VersionCatalogue, KnowsWhatAVersionsProgramsKnow) {
  EXPECT_TRUE(traits_of("1.37.2").nftables_proxy);
  EXPECT_FALSE(traits_of("v1.20.2").nftables_proxy);
  EXPECT_FALSE(traits_of("1.20.15").endpoint_slices);
  EXPECT_EQ(&traits_of("1.99.0"), &releases().front().traits);
  EXPECT_EQ(&traits_of(""), &releases().front().traits);
}

// upstream/releases says what a node image is made of; its pins say the versions.
TEST(VersionCatalogue, IsThatOfTheUpstreamPrograms) {
  const std::string upstream = std::string(VK8S_SOURCE_DIR) + "/upstream/";
  const auto table = sys::read_file(upstream + "releases");
  ASSERT_TRUE(table);
  std::vector<std::string> minors;
  for (const std::string_view line : base::split(*table, '\n')) {
    if (!line.empty() && !line.starts_with('#')) {
      minors.emplace_back(line.substr(0, line.find(' ')));
    }
  }
  ASSERT_EQ(minors.size(), releases().size());
  for (std::size_t i = 0; i < minors.size(); ++i) {
    const KubernetesRelease& release = releases()[i];
    EXPECT_EQ(minors[i], release.minor);
    std::string pins;
    for (const std::string& file :
         {i == 0 ? std::string("kubernetes/go.mod") : "kubernetes/go-" + minors[i] + ".mod",
          "kubernetes-" + minors[i] + "/source.sha256"}) {
      pins += sys::read_file(upstream + file).value_or("");
    }
    const std::string version(release.version);
    EXPECT_TRUE(pins.find("k8s.io/kubernetes v" + version + "\n") != std::string::npos ||
                pins.find("really" + version + "-") != std::string::npos)
        << version << " is not what upstream builds";
  }
}

}  // namespace
}  // namespace vk8s::api
