#include "host/image_push.h"

#include <gtest/gtest.h>

namespace vk8s::host {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string descriptor(const std::string& digest) {
  return fmt::format(R"({{"mediaType":"t","digest":"{}","size":3}})", digest);
}

TEST(ImageName, IsRepositoryAndTag) {
  const auto name = parse_image_name("vk8s/vnode:v1.37.2");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repository, "vk8s/vnode");
  EXPECT_EQ(name->tag, "v1.37.2");
  EXPECT_EQ(parse_image_name("busybox")->tag, "latest");
}

TEST(ImageName, HoldsNeitherARegistryNorTricks) {
  for (const char* text : {"", ":", "a:", ":b", "host:5000/a", "a@sha256:b", "../a:b", "a//b",
                           "A:b", "a:b/c", "a/?x:b", "a:b c", "-a:b"}) {
    EXPECT_FALSE(parse_image_name(text)) << text;
  }
}

TEST(ImageIndex, NamesTheOnlyManifest) {
  const auto blob = parse_image_index(R"({"manifests":[)" + descriptor(kDigest) + "]}");
  ASSERT_TRUE(blob) << blob.error().message();
  EXPECT_EQ(*blob, (Blob{"t", kDigest, 3}));
}

TEST(ImageIndex, IsRefusedWhereItIsMalformed) {
  const std::string good = descriptor(kDigest);
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"manifests":[]})"),
        R"({"manifests":[)" + good + "," + good + "]}",
        R"({"manifests":[)" + descriptor("sha256:../../../etc/passwd") + "]}",
        R"({"manifests":[)" + descriptor("sha512:" + std::string(64, 'a')) + "]}"}) {
    EXPECT_FALSE(parse_image_index(text)) << text;
  }
}

TEST(ImageManifest, ListsConfigurationAndLayers) {
  const std::string good = descriptor(kDigest);
  const auto blobs =
      parse_image_manifest(R"({"config":)" + good + R"(,"layers":[)" + good + "," + good + "]}");
  ASSERT_TRUE(blobs) << blobs.error().message();
  EXPECT_EQ(blobs->size(), 3U);
  EXPECT_FALSE(parse_image_manifest(R"({"config":)" + good + "}"));
  EXPECT_FALSE(parse_image_manifest(R"({"layers":[]})"));
  EXPECT_FALSE(parse_image_manifest(R"({"config":)" + good + R"(,"layers":[{}]})"));
}

}  // namespace
}  // namespace vk8s::host
