#include "base/fuzz.h"
#include "host/image_push.h"

namespace {
using namespace vk8s;

// It becomes a path of a file.
bool is_safe(const host::Blob& blob) {
  return blob.digest.size() == 71 && blob.digest.starts_with("sha256:") &&
         blob.digest.find_first_of("/.") == std::string::npos && blob.size >= 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto name = host::parse_image_name(text)) {
    const auto again = host::parse_image_name(name->repository + ":" + name->tag);
    fuzz::require(
        size > 240 || (again && again->repository == name->repository && again->tag == name->tag),
        "a name survives the round trip");
    fuzz::require(name->repository.find("..") != 0 &&
                      name->repository.find_first_of("?#%@: ") == std::string::npos,
                  "a name is a path of its own");
  }
  const auto manifest = host::parse_image_index(text);
  fuzz::require(!manifest || is_safe(*manifest), "a digest is one");
  if (const auto blobs = host::parse_image_manifest(text)) {
    fuzz::require(blobs->size() <= 129, "layers are few");
    for (const host::Blob& blob : *blobs) {
      fuzz::require(is_safe(blob), "a digest is one");
    }
  }
  return 0;
}
