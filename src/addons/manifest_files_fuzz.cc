#include "addons/manifest_files.h"
#include "base/fuzz.h"
#include "base/text.h"

using namespace vk8s;

// Archives: tar and gzip.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr addons::FileLimits kLimits{.max_files = 4, .max_bytes = 65536};
  const auto files = addons::unpack_manifests("set.tar.gz", fuzz::text_of(data, size), kLimits);
  if (!files) {
    return 0;
  }
  fuzz::require(files->size() <= kLimits.max_files, "no more files than allowed");
  std::size_t bytes = 0;
  for (const addons::ManifestFile& file : *files) {
    bytes += file.content.size();
    fuzz::require(!file.path.empty() && file.path.front() != '/', "a path is relative");
    for (const std::string_view part : base::split(file.path, '/')) {
      fuzz::require(part != "..", "a path stays in the archive");
    }
  }
  fuzz::require(bytes <= kLimits.max_bytes, "no more bytes than allowed");
  return 0;
}
