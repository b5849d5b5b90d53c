#include "base/fuzz.h"
#include "sys/mount.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto entries = sys::parse_mountinfo(fuzz::text_of(data, size));
  if (!entries) {
    return 0;
  }
  for (const sys::MountEntry& entry : *entries) {
    fuzz::require(entry.file_system.find_first_of(" \n") == std::string::npos, "it is a field");
    fuzz::require(entry.mount_point.size() <= size, "nothing becomes longer");
  }
  return 0;
}
