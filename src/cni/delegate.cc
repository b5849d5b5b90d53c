#include "cni/delegate.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "base/unique_fd.h"

namespace vk8s::cni {
namespace {

bool is_program(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

// In memory, not a pipe: a configuration larger than a pipe's buffer would block.
Status put_on_standard_input(const std::string& config) {
  const UniqueFd file(::memfd_create("network-configuration", MFD_CLOEXEC));
  if (!file) {
    return fail_errno(errno, "make a file in memory");
  }
  std::string_view rest = config;
  while (!rest.empty()) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      return fail_errno(errno, "write the configuration");
    }
    rest.remove_prefix(static_cast<std::size_t>(written < 0 ? 0 : written));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0 || ::dup2(file.get(), STDIN_FILENO) < 0) {
    return fail_errno(errno, "hand on the configuration");
  }
  return {};
}

}  // namespace

Result<std::string> find_plugin(std::string_view name, std::string_view plugin_path) {
  for (const std::string_view folder : base::split(plugin_path, ':')) {
    std::string path = fmt::format("{}/{}", folder, name);
    if (!folder.empty() && is_program(path)) {
      return path;
    }
  }
  return fail(Errc::kNotFound, "plugin {} is not in CNI_PATH ({})", name,
              base::printable(plugin_path, 256));
}

Error become(const std::string& program, const std::string& config) {
  if (const Status ready = put_on_standard_input(config); !ready) {
    return ready.error();
  }
  std::string name = program;
  std::array<char*, 2> argv = {name.data(), nullptr};
  ::execve(program.c_str(), argv.data(), environ);
  return base::error_from_errno(errno, fmt::format("execute {}", program));
}

}  // namespace vk8s::cni
