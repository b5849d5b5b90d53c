#include "addons/manifest_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "addons/digest.h"
#include "addons/gunzip.h"
#include "addons/tar.h"
#include "base/text.h"
#include "sys/file.h"

namespace vk8s::addons {
namespace {

constexpr int kMaxDepth = 8;

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_hidden(std::string_view path) { return file_name(path).starts_with('.'); }

// Adds files until a limit is met.
class Collector {
 public:
  explicit Collector(const FileLimits& limits) : limits_(limits) {}

  std::size_t room() const { return limits_.max_bytes - bytes_; }

  Status add(std::string path, std::string content) {
    if (content.size() > room() || files_.size() >= limits_.max_files) {
      return fail(Errc::kTooLarge, "manifests: at most {} files of {} bytes together are read",
                  limits_.max_files, limits_.max_bytes);
    }
    bytes_ += content.size();
    files_.push_back({.path = std::move(path), .content = std::move(content)});
    return {};
  }

  std::vector<ManifestFile> take() {
    std::sort(files_.begin(), files_.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(files_);
  }

 private:
  const FileLimits& limits_;
  std::size_t bytes_ = 0;
  std::vector<ManifestFile> files_;
};

Status collect_folder(const std::string& folder, const std::string& prefix, int depth,
                      Collector& collector) {
  if (depth > kMaxDepth) {
    return fail(Errc::kInvalidArgument, "{}: folders are nested too deeply", folder);
  }
  for (const std::string& name : VK8S_TRY(sys::list_directory(folder))) {
    const std::string path = folder + "/" + name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
      return fail_errno(errno, "look at {}", path);
    }
    if (S_ISDIR(info.st_mode) && !is_hidden(name)) {
      VK8S_TRY(collect_folder(path, prefix + name + "/", depth + 1, collector));
    } else if (S_ISREG(info.st_mode) && is_manifest_path(name)) {
      std::string content = VK8S_TRY(sys::read_file(path, collector.room()));
      VK8S_TRY(collector.add(prefix + name, std::move(content)));
    }
  }
  return {};
}

bool is_tar(std::string_view bytes) {
  return bytes.size() > 262 && bytes.substr(257, 5) == "ustar";
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

}  // namespace

bool is_manifest_path(std::string_view path) {
  return !is_hidden(path) &&
         (path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json"));
}

Result<std::vector<ManifestFile>> read_manifest_folder(const std::string& path,
                                                       const FileLimits& limits) {
  Collector collector(limits);
  VK8S_TRY(collect_folder(path, "", 0, collector));
  return collector.take();
}

Result<std::vector<ManifestFile>> unpack_manifests(std::string_view name, std::string_view bytes,
                                                   const FileLimits& limits) {
  std::string unpacked;
  if (is_gzip(bytes)) {
    unpacked = VK8S_TRY_CONTEXT(gunzip(bytes, limits.max_bytes), "{}", base::printable(name, 256));
    bytes = unpacked;
  }
  Collector collector(limits);
  if (!is_tar(bytes)) {
    VK8S_TRY(
        collector.add(std::string(without_suffix(file_name(name), ".gz")), std::string(bytes)));
    return collector.take();
  }
  const std::vector<TarEntry> entries =
      VK8S_TRY_CONTEXT(read_tar(bytes, 4 * limits.max_files), "{}", base::printable(name, 256));
  for (const TarEntry& entry : entries) {
    if (is_manifest_path(entry.path)) {
      VK8S_TRY(collector.add(entry.path, std::string(entry.content)));
    }
  }
  return collector.take();
}

Result<std::vector<ManifestFile>> read_manifest_archive(const std::string& path,
                                                        std::string_view digest,
                                                        const FileLimits& limits) {
  const std::string bytes = VK8S_TRY(sys::read_file(path, limits.max_bytes));
  if (!digest.empty() && sha256_digest(bytes) != digest) {
    return fail(Errc::kInvalidArgument, "{} is {}, not {} as it is to be", path,
                sha256_digest(bytes), base::printable(digest, 128));
  }
  return unpack_manifests(file_name(path), bytes, limits);
}

std::string digest_of(const std::vector<ManifestFile>& files) {
  std::string text;
  for (const ManifestFile& file : files) {
    text += fmt::format("{} {}\n", sha256_digest(file.content), file.path);
  }
  return sha256_digest(text);
}

}  // namespace vk8s::addons
