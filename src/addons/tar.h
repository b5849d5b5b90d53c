// Tar archives in memory: POSIX ustar and pax, GNU's long names. Pure; bytes of others.
// Source: IEEE Std 1003.1-2017, pax, "ustar Interchange Format", "pax Extended Header".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::addons {

struct TarEntry {
  std::string path;          // no leading "./" or "/"
  std::string_view content;  // in the bytes that were read
};

// The regular files in their order. Folders and pax's global headers are passed over;
// links, devices, ".." and sparse files are refused, and more than max_entries.
Result<std::vector<TarEntry>> read_tar(std::string_view bytes, std::size_t max_entries);

}  // namespace vk8s::addons
