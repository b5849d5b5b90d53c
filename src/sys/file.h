// Files: whole reads and writes, with limits and atomic replacement.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vk8s::sys {

// kTooLarge beyond max_bytes.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes = 4U << 20U);

// A reader sees the old content or the new one, never a part: written to a
// temporary file beside it, then renamed. With durable, fsync of file and folder.
struct WriteOptions {
  mode_t mode = 0644;
  bool durable = false;
};
Status write_file(const std::string& path, std::string_view content, const WriteOptions& = {});

// For /proc, /sys and cgroup files: one write() to an existing file.
Status write_kernel_file(const std::string& path, std::string_view content);

// mkdir -p.
Status ensure_directory(const std::string& path, mode_t mode = 0755);
Result<std::vector<std::string>> list_directory(const std::string& path);
bool exists(const std::string& path);
// rm -rf, never across a mount point and never through a symbolic link.
Status remove_tree(const std::string& path);

// A folder in $TMPDIR, removed at its owner's end.
class TempDir {
 public:
  static Result<TempDir> create(std::string_view prefix = "vk8s");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;
  TempDir(const TempDir&) = delete;
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace vk8s::sys
