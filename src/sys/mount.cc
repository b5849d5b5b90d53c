#include "sys/mount.h"

#include <sys/mount.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace vk8s::sys {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      const auto digit = [&](std::size_t at) { return text[i + at] - '0'; };
      out += static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> entries;
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.empty()) {
      continue;
    }
    const auto fields = base::split(line, ' ');
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") {
      ++dash;
    }
    if (dash + 3 >= fields.size()) {
      return fail(Errc::kInvalidArgument, "mountinfo: line \"{}\" has too few fields",
                  base::printable(line, 200));
    }
    entries.push_back({.mount_point = unescape(fields[4]),
                       .file_system = std::string(fields[dash + 1]),
                       .source = unescape(fields[dash + 2]),
                       .options = std::string(fields[dash + 3]),
                       .root = unescape(fields[3])});
  }
  return entries;
}

Result<std::vector<MountEntry>> list_mounts() {
  const std::string text = VK8S_TRY(read_file("/proc/self/mountinfo", 64U << 20U));
  return parse_mountinfo(text);
}

Status mount_file_system(const std::string& type, const std::string& target, unsigned long flags,
                         const std::string& data, const std::string& source) {
  if (::mount(source.c_str(), target.c_str(), type.c_str(), flags,
              data.empty() ? nullptr : data.c_str()) != 0) {
    return fail_errno(errno, "mount {} on {} (options \"{}\")", type, target, data);
  }
  return {};
}

Status bind_mount(const std::string& source, const std::string& target, bool read_only) {
  if (!exists(target)) {
    VK8S_TRY(ensure_directory(target));
  }
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return fail_errno(errno, "bind {} on {}", source, target);
  }
  if (read_only &&
      ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    return fail_errno(errno, "make {} read-only", target);
  }
  return {};
}

bool is_mount_point(const std::string& path) {
  const auto entries = list_mounts();
  if (!entries) {
    return false;
  }
  for (const MountEntry& entry : *entries) {
    if (entry.mount_point == path) {
      return true;
    }
  }
  return false;
}

Status set_propagation(const std::string& path, unsigned long propagation) {
  if (::mount(nullptr, path.c_str(), nullptr, MS_REC | propagation, nullptr) != 0) {
    return fail_errno(errno, "set mount propagation of {}", path);
  }
  return {};
}

Status detach_mount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
      errno != ENOENT) {
    return fail_errno(errno, "unmount {}", path);
  }
  return {};
}

}  // namespace vk8s::sys
