#include "addons/image_lock.h"
#include "addons/image_reference.h"
#include "base/fuzz.h"

using namespace vk8s;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto reference = addons::ImageReference::parse(text)) {
    const auto again = addons::ImageReference::parse(reference->to_string());
    fuzz::require(again && *again == *reference, "a reference survives being written and read");
  }
  if (const auto lock = addons::ImageLock::parse(text)) {
    for (const addons::LockedImage& image : lock->images()) {
      const auto place = addons::ImageReference::parse(
          fmt::format("site.example/{}@{}", image.repository, image.digest));
      fuzz::require(place && place->repository == image.repository && place->tag.empty(),
                    "a locked image is a reference by digest");
    }
  }
  return 0;
}
