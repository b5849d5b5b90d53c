#include "controller/generate_command.h"

#include <fmt/format.h>

#include "controller/manifests.h"

namespace vk8s::controller {

Result<std::string> generate(std::string_view what) {
  for (GeneratedFile& file : generated_files()) {
    if (file.path.starts_with(fmt::format("config/{}/", what))) {
      return std::move(file.content);
    }
  }
  return fail(Errc::kInvalidArgument, "generate \"{}\": there are crd, rbac and manager", what);
}

}  // namespace vk8s::controller
