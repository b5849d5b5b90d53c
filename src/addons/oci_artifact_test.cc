#include "addons/oci_artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string manifest_with(const std::string& type, const std::string& layers) {
  return R"({"schemaVersion":2,"artifactType":")" + type + R"(","layers":[)" + layers + "]}";
}
std::string descriptor(const std::string& size) {
  return R"({"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":")" + kDigest +
         R"(","size":)" + size + "}";
}

TEST(ArtifactReference, NamesARegistryAndADigest) {
  const auto reference =
      ArtifactReference::parse("registry.example:5000/team/vk8s/addon-training@" + kDigest);
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->registry, "registry.example:5000");
  EXPECT_EQ(reference->repository, "team/vk8s/addon-training");
  EXPECT_EQ(reference->digest, kDigest);
  for (const std::string& text :
       {"vk8s/addon-training@" + kDigest, std::string("registry.example/vk8s/addon-training:v1"),
        std::string("registry.example/vk8s/addon@sha256:12"), std::string()}) {
    EXPECT_FALSE(ArtifactReference::parse(text)) << text;
  }
}

TEST(ArtifactReference, HasItsImagesBesideIt) {
  const auto prefix_of = [](const std::string& text) {
    return ArtifactReference::parse(text + "@" + kDigest)->image_prefix();
  };
  EXPECT_EQ(prefix_of("registry.example/vk8s/addon-training"), "registry.example");
  EXPECT_EQ(prefix_of("registry.example/a/b/vk8s/addon-training"), "registry.example/a/b");
  EXPECT_EQ(prefix_of("registry.example/addon"), "registry.example");
}

TEST(ArtifactManifest, HasOneLayerOfABoundedSize) {
  const std::string type(kArtifactType);
  const auto layer = parse_artifact_manifest(manifest_with(type, descriptor("9")));
  ASSERT_TRUE(layer) << layer.error().message();
  EXPECT_EQ(layer->digest, kDigest);
  EXPECT_EQ(layer->size, 9);
  const auto large = parse_artifact_manifest(manifest_with(type, descriptor("99999999")));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), Errc::kTooLarge);
  for (const std::string& layers : {std::string(), descriptor("1") + "," + descriptor("1"),
                                    descriptor("-1"), descriptor("\"9\""), std::string("{}")}) {
    EXPECT_FALSE(parse_artifact_manifest(manifest_with(type, layers))) << layers;
  }
}

TEST(ArtifactManifest, IsNoImage) {
  const auto image =
      parse_artifact_manifest(manifest_with("application/vnd.example", descriptor("9")));
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().message(), HasSubstr("it is \"application/vnd.example\", not"));
  EXPECT_TRUE(parse_artifact_manifest(R"({"config":{"mediaType":")" + std::string(kArtifactType) +
                                      R"("},"layers":[)" + descriptor("9") + "]}"));
}

TEST(ArtifactIndex, LeadsToItsOnlyManifest) {
  EXPECT_EQ(parse_artifact_index(R"({"manifests":[)" + descriptor("9") + "]}")->digest, kDigest);
  EXPECT_FALSE(parse_artifact_index(R"({"manifests":[]})"));
  EXPECT_FALSE(parse_artifact_index(R"({"manifests":[)" + descriptor("9999999") + "]}"));
  EXPECT_FALSE(parse_artifact_index("[]"));
}

}  // namespace
}  // namespace vk8s::addons
