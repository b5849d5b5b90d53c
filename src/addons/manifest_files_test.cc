#include "addons/manifest_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdlib>

#include "addons/digest.h"
#include "addons/gunzip.h"
#include "addons/tar.h"
#include "sys/file.h"

namespace vk8s::addons {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

struct TarFile {
  std::string name;
  std::string content;
  char type = '0';
  std::string prefix;
};

std::string tar_member(const TarFile& file) {
  std::array<char, 512> header{};
  const auto put = [&](std::size_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, file.name);
  put(124, fmt::format("{:011o}", file.content.size()));
  header[156] = file.type;
  put(257, "ustar");
  put(345, file.prefix);
  unsigned sum = 8 * ' ';
  for (const char byte : header) {
    sum += static_cast<unsigned char>(byte);
  }
  put(148, fmt::format("{:06o}", sum));
  std::string out(header.begin(), header.end());
  out += file.content;
  out.resize((out.size() + 511) / 512 * 512, '\0');
  return out;
}

std::string tar_of(const std::vector<TarFile>& files) {
  std::string out;
  for (const TarFile& file : files) {
    out += tar_member(file);
  }
  return out + std::string(1024, '\0');
}

std::string error_of(const Result<std::vector<TarEntry>>& result) {
  return result ? "" : result.error().message();
}

TEST(Digest, IsThatOfTheStandard) {
  // FIPS 180-2, example "abc".
  EXPECT_EQ(sha256_digest("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(is_sha256_digest(sha256_digest("")));
  EXPECT_FALSE(is_sha256_digest("sha256:BA7816"));
}

TEST(Gunzip, UnpacksAllMembersAndNoMoreThanAllowed) {
  EXPECT_EQ(gunzip(gzip("hello ") + gzip("world"), 64).value(), "hello world");
  const std::string bomb = gzip(std::string(1U << 20U, 'a'));
  EXPECT_EQ(gunzip(bomb, 1U << 20U).value().size(), 1U << 20U);
  EXPECT_EQ(gunzip(bomb, (1U << 20U) - 1).error().code(), Errc::kTooLarge);
}

TEST(Gunzip, RefusesWhatIsCutShortOrHasBytesAfterIt) {
  const std::string good = gzip("some text");
  EXPECT_EQ(gunzip(good.substr(0, good.size() - 3), 64).error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(gunzip(good + "x", 64).error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(gunzip("", 64).error().code(), Errc::kInvalidArgument);
}

TEST(Tar, ReadsFilesAndLongNames) {
  const std::string long_name = std::string(120, 'd') + "/file.yaml";
  const std::string archive = tar_of({{"./a/", "", '5', ""},
                                      {"./a/one.yaml", "1", '0', ""},
                                      {"two.yaml", "22", '0', "b/c"},
                                      {"././@LongLink", long_name + '\0', 'L', ""},
                                      {"cut", "333", '0', ""},
                                      {"other", "4444", '0', ""}});
  const auto entries = read_tar(archive, 8);
  ASSERT_TRUE(entries) << error_of(entries);
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[0].path, "a/one.yaml");
  EXPECT_EQ((*entries)[1].path, "b/c/two.yaml");
  EXPECT_EQ((*entries)[2].path, long_name);
  EXPECT_EQ((*entries)[3].content, "4444");
}

TEST(Tar, ReadsPaxPathsAndSizes) {
  const std::string archive =
      tar_of({{"pax", "17 path=p/x.yaml\n", 'x', ""}, {"other", "4444", '0', ""}});
  const auto entries = read_tar(archive, 8);
  ASSERT_TRUE(entries) << error_of(entries);
  EXPECT_EQ(entries->front().path, "p/x.yaml");
}

TEST(Tar, RefusesWhatIsNoPlainFileOrLeavesTheArchive) {
  EXPECT_THAT(error_of(read_tar(tar_of({{"l", "", '2', ""}}), 8)), HasSubstr("neither"));
  EXPECT_THAT(error_of(read_tar(tar_of({{"a/../../b", "", '0', ""}}), 8)), HasSubstr("leaves"));
  EXPECT_THAT(error_of(read_tar(tar_of({{"a", "", '0', ""}, {"b", "", '0', ""}}), 1)),
              HasSubstr("more than 1"));
  std::string broken = tar_of({{"a", "text", '0', ""}});
  broken[0] = 'b';
  EXPECT_THAT(error_of(read_tar(broken, 8)), HasSubstr("checksum"));
  EXPECT_THAT(
      error_of(read_tar(tar_of({{"a", std::string(600, 'x'), '0', ""}}).substr(0, 1000), 8)),
      HasSubstr("cut short"));
}

class ManifestFilesTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) {
    const std::string path = folder_.path() + "/" + name;
    ASSERT_TRUE(sys::ensure_directory(path.substr(0, path.rfind('/'))));
    ASSERT_TRUE(sys::write_file(path, content));
  }
  sys::TempDir folder_ = sys::TempDir::create().value();
};

TEST_F(ManifestFilesTest, ReadsAFolderByNameAndNothingElse) {
  write("b.yaml", "2");
  write("a/x.yml", "1");
  write("c.json", "3");
  write("README.md", "no");
  write(".hidden.yaml", "no");
  write(".git/d.yaml", "no");
  ASSERT_EQ(::symlink("/etc/hostname", (folder_.path() + "/link.yaml").c_str()), 0);
  const auto files = read_manifest_folder(folder_.path());
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_THAT(*files, ElementsAre(ManifestFile{"a/x.yml", "1"}, ManifestFile{"b.yaml", "2"},
                                  ManifestFile{"c.json", "3"}));
  const std::string digest = digest_of(*files);
  write("b.yaml", "4");
  EXPECT_NE(digest_of(read_manifest_folder(folder_.path()).value()), digest);
}

TEST_F(ManifestFilesTest, StopsAtItsLimits) {
  write("a.yaml", "12345");
  write("b.yaml", "12345");
  EXPECT_EQ(read_manifest_folder(folder_.path(), {.max_files = 1}).error().code(), Errc::kTooLarge);
  EXPECT_EQ(read_manifest_folder(folder_.path(), {.max_bytes = 9}).error().code(), Errc::kTooLarge);
  EXPECT_TRUE(read_manifest_folder(folder_.path(), {.max_files = 2, .max_bytes = 10}));
}

TEST_F(ManifestFilesTest, UnpacksArchivesAndSingleDocuments) {
  const std::string archive = gzip(tar_of({{"x/b.yaml", "2", '0', ""}, {"x/notes", "n", '0', ""}}));
  EXPECT_THAT(unpack_manifests("set.tar.gz", archive).value(),
              ElementsAre(ManifestFile{"x/b.yaml", "2"}));
  EXPECT_THAT(unpack_manifests("folder/set.yaml.gz", gzip("a: 1")).value(),
              ElementsAre(ManifestFile{"set.yaml", "a: 1"}));
  EXPECT_EQ(unpack_manifests("set.tar.gz", archive, {.max_bytes = 100}).error().code(),
            Errc::kTooLarge);
}

TEST_F(ManifestFilesTest, ReadsAnArchiveOnlyOfItsDigest) {
  write("set.yaml", "a: 1");
  const std::string path = folder_.path() + "/set.yaml";
  EXPECT_EQ(read_manifest_archive(path, sha256_digest("a: 1")).value().size(), 1U);
  EXPECT_EQ(read_manifest_archive(path, "").value().size(), 1U);
  const auto other = read_manifest_archive(path, sha256_digest("a: 2"));
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("as it is to be"));
}

}  // namespace
}  // namespace vk8s::addons
