#include "controller_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>

#include "base/unique_fd.h"

namespace vk8s::bench {
namespace {

std::string log_of(const sys::TempDir& folder) { return folder.path() + "/controller.log"; }

}  // namespace

Result<ControllerProcess> ControllerProcess::start(const std::string& program,
                                                   const std::string& kubeconfig) {
  auto folder = VK8S_TRY(sys::TempDir::create("vk8s-bench"));
  const std::string kubeconfig_file = folder.path() + "/kubeconfig";
  VK8S_TRY(sys::write_file(kubeconfig_file, kubeconfig, {.mode = 0600}));
  const std::string log = log_of(folder);
  const UniqueFd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!output) {
    return fail_errno(errno, "open {}", log);
  }
  auto process = VK8S_TRY_CONTEXT(
      sys::ChildProcess::spawn(
          {.argv = {program, "--kubeconfig", kubeconfig_file, "--metrics-address", "127.0.0.1:0"},
           .environment = {},
           .stdout_fd = output.get(),
           .stderr_fd = output.get(),
           .die_with_parent = true}),
      "start {}", program);
  return ControllerProcess(std::move(folder), std::move(process));
}

Status ControllerProcess::check_running() {
  if (!process_.is_running()) {
    return fail(Errc::kUnavailable, "the controller has ended");
  }
  const auto status = process_.try_wait();
  if (!status) {
    return {};
  }
  const std::string log =
      sys::read_file(log_of(folder_), 256U << 20U).value_or(std::string("no log"));
  return fail(Errc::kUnavailable, "the controller has ended ({}): {}", status->to_string(),
              log.size() > 1500 ? log.substr(log.size() - 1500) : log);
}

Result<std::string> ControllerProcess::proc_file(const char* name) const {
  return sys::read_file(fmt::format("/proc/{}/{}", process_.pid(), name));
}

Result<double> ControllerProcess::rss_mebibytes() const {
  std::istringstream status(VK8S_TRY(proc_file("status")));
  std::string word;
  double kibibytes = 0;
  while (status >> word) {
    if (word == "VmRSS:" && status >> kibibytes) {
      return kibibytes / 1024;
    }
  }
  return fail(Errc::kNotFound, "process {} has no VmRSS", process_.pid());
}

// proc(5): utime and stime are fields 14 and 15; the name before them may hold blanks.
Result<std::chrono::duration<double>> ControllerProcess::cpu_time() const {
  const std::string stat = VK8S_TRY(proc_file("stat"));
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) {
    fields >> skipped;
  }
  double user = 0;
  double system = 0;
  if (!(fields >> user >> system)) {
    return fail(Errc::kInternal, "/proc/{}/stat is not understood", process_.pid());
  }
  return std::chrono::duration<double>((user + system) /
                                       static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace vk8s::bench
