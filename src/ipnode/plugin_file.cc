#include "ipnode/plugin_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include "sys/file.h"

namespace vk8s::ipnode {
namespace {

constexpr std::size_t kMaxProgramBytes = 256U << 20U;

}  // namespace

Result<bool> install_plugin(const std::string& program, const std::string& folder) {
  const std::string content = VK8S_TRY(sys::read_file(program, kMaxProgramBytes));
  const std::string target = fmt::format("{}/{}", folder, program.substr(program.rfind('/') + 1));
  const auto present = sys::read_file(target, kMaxProgramBytes);
  if (present && *present == content && ::access(target.c_str(), X_OK) == 0) {
    return false;
  }
  VK8S_TRY(sys::write_file(target, content, {.mode = 0755, .durable = true}));
  return true;
}

}  // namespace vk8s::ipnode
