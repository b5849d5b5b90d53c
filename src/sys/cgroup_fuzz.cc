#include "base/fuzz.h"
#include "sys/cgroup.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto groups = sys::parse_proc_cgroup(fuzz::text_of(data, size));
  if (!groups) {
    return 0;
  }
  for (const auto& [controllers, path] : *groups) {
    fuzz::require(controllers.find_first_of(":\n") == std::string::npos, "controllers are a field");
    fuzz::require(path.find('\n') == std::string::npos, "a path is of one line");
  }
  return 0;
}
