#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

namespace vk8s::sys {
namespace {

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail_errno(errno, "write {}", path);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_folder(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) {
    return fail_errno(errno, "sync folder {}", path);
  }
  return {};
}

// Removes name below the open folder parent_fd, on the device given only.
Status remove_below(int parent_fd, const std::string& name, dev_t device) {
  struct stat info {};
  if (::fstatat(parent_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status{} : fail_errno(errno, "stat {}", name);
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlinkat(parent_fd, name.c_str(), 0) != 0 && errno != ENOENT) {
      return fail_errno(errno, "remove {}", name);
    }
    return {};
  }
  if (info.st_dev != device) {
    return fail(Errc::kInvalidArgument, "remove {}: another file system is mounted on it", name);
  }
  const int fd = ::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return fail_errno(errno, "open {}", name);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd), &::closedir);
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string child = entry->d_name;
    if (child != "." && child != "..") {
      VK8S_TRY_CONTEXT(remove_below(fd, child, device), "{}", name);
    }
  }
  if (::unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return fail_errno(errno, "remove folder {}", name);
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return fail_errno(errno, "open {}", path);
  }
  std::string content;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got == 0) {
      return content;
    }
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail_errno(errno, "read {}", path);
    }
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > max_bytes) {
      return fail(Errc::kTooLarge, "{} is larger than {} bytes", path, max_bytes);
    }
  }
}

Status write_file(const std::string& path, std::string_view content, const WriteOptions& options) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) {
    return fail_errno(errno, "create a file beside {}", path);
  }
  Status done = write_all(fd.get(), content, temporary);
  if (done && ::fchmod(fd.get(), options.mode) != 0) {
    done = fail_errno(errno, "set mode of {}", temporary);
  }
  if (done && options.durable && ::fsync(fd.get()) != 0) {
    done = fail_errno(errno, "sync {}", temporary);
  }
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) {
    done = fail_errno(errno, "rename {} to {}", temporary, path);
  }
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  return options.durable ? sync_folder(folder_of(path)) : Status{};
}

Status write_kernel_file(const std::string& path, std::string_view content) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    return fail_errno(errno, "open {}", path);
  }
  if (::write(fd.get(), content.data(), content.size()) < 0) {
    return fail_errno(errno, "write \"{}\" to {}", content, path);
  }
  return {};
}

Status ensure_directory(const std::string& path, mode_t mode) {
  for (std::size_t end = path.find('/', 1); true; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      return fail_errno(errno, "create folder {}", part);
    }
    if (end == std::string::npos) {
      break;
    }
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return fail_errno(errno, "stat {}", path);
  }
  if (!S_ISDIR(info.st_mode)) {
    return fail(Errc::kAlreadyExists, "{} exists and is no folder", path);
  }
  return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder) {
    return fail_errno(errno, "list {}", path);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Status remove_tree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? Status{} : fail_errno(errno, "stat {}", path);
  }
  // A mount point differs from its parent folder in device.
  struct stat parent {};
  if (::stat(folder_of(path).c_str(), &parent) != 0) {
    return fail_errno(errno, "stat {}", folder_of(path));
  }
  return remove_below(AT_FDCWD, path, parent.st_dev);
}

Result<TempDir> TempDir::create(std::string_view prefix) {
  const char* root = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/{}-XXXXXX", root == nullptr ? "/tmp" : root, prefix);
  if (::mkdtemp(path.data()) == nullptr) {
    return fail_errno(errno, "create folder {}", path);
  }
  return TempDir(std::move(path));
}

TempDir::~TempDir() {
  if (!path_.empty()) {
    [[maybe_unused]] const Status removed = remove_tree(path_);
  }
}

}  // namespace vk8s::sys
