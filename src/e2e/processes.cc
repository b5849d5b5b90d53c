#include "e2e/processes.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/text.h"
#include "base/unique_fd.h"
#include "e2e/command.h"
#include "sys/file.h"

namespace vk8s::e2e {
namespace {

constexpr auto kEndLimit = std::chrono::seconds(10);

std::string proc_file(pid_t pid, std::string_view name) {
  return sys::read_file(fmt::format("/proc/{}/{}", pid, name)).value_or("");
}

// "<number>:<controllers>:<path>" a line.
std::vector<std::string> cgroup_paths(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view line : base::split(text, '\n')) {
    const std::size_t path = line.find(":/");
    if (path != std::string_view::npos) {
      out.emplace_back(line.substr(path + 1));
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::optional<Process> read_process(pid_t pid) {
  Process out{.pid = pid,
              .name = std::string(base::trim(proc_file(pid, "comm"))),
              .command_line = proc_file(pid, "cmdline"),
              .cgroups = cgroup_paths(proc_file(pid, "cgroup"))};
  if (out.name.empty()) {
    return std::nullopt;
  }
  std::replace(out.command_line.begin(), out.command_line.end(), '\0', ' ');
  return out;
}

}  // namespace

std::vector<Process> list_processes() {
  std::vector<Process> out;
  for (const std::string& name :
       sys::list_directory("/proc").value_or(std::vector<std::string>())) {
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      if (auto process = read_process(static_cast<pid_t>(std::stol(name)))) {
        out.push_back(*std::move(process));
      }
    }
  }
  return out;
}

bool is_in_cgroup(const Process& process, std::string_view part_of_path) {
  return std::any_of(process.cgroups.begin(), process.cgroups.end(), [&](const std::string& path) {
    return path.find(part_of_path) != std::string::npos;
  });
}

std::string namespace_of(pid_t pid, const std::string& kind) {
  std::array<char, 64> target{};
  const ssize_t length =
      ::readlink(fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : std::string();
}

Status kill_process(std::string_view name, std::string_view part_of_cgroup) {
  const auto is_meant = [&](const Process& process) {
    return process.name == name && is_in_cgroup(process, part_of_cgroup);
  };
  const std::vector<Process> all = list_processes();
  const auto found = std::find_if(all.begin(), all.end(), is_meant);
  if (found == all.end()) {
    return fail(Errc::kNotFound, "no process {} is in a cgroup {}", name, part_of_cgroup);
  }
  const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, found->pid, 0)));
  // Looked at again, now that the number cannot go to another process.
  const auto still = read_process(found->pid);
  if (!fd || !still || !is_meant(*still) ||
      ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0) != 0) {
    return fail(Errc::kNotFound, "process {} ({}) ended by itself", found->pid, name);
  }
  return wait_until(
      [&] {
        const auto now = read_process(found->pid);
        return Answer{!now || now->command_line.empty() || !is_meant(*now), "it runs"};
      },
      kEndLimit, fmt::format("process {} ({}) ends", found->pid, name));
}

}  // namespace vk8s::e2e
