#include "agent/registry_auth.h"

#include <algorithm>

#include "api/registry_auth.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

constexpr std::size_t kMaxFileBytes = 64U << 10U;

}  // namespace

bool may_have_registry_auth(const api::NodeConfig& config) {
  return std::any_of(config.mirrors.begin(), config.mirrors.end(),
                     [](const api::RegistryMirror& mirror) { return mirror.name == "*"; });
}

Result<std::string> read_registry_auth(const NodePaths& paths) {
  const std::string path = paths.given(api::kRegistryAuthFile);
  const auto text = sys::read_file(path, kMaxFileBytes);
  if (!text && text.error().code() == Errc::kNotFound) {
    return std::string();
  }
  if (!text) {
    return tl::unexpected<Error>(text.error());
  }
  return VK8S_TRY_CONTEXT(api::check_registry_auth(*text), "{}", path);
}

}  // namespace vk8s::agent
