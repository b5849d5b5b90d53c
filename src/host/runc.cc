#include "host/runc.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>

#include "base/json.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::host {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// True once the process behind the descriptor has ended.
bool wait_for_end(int pidfd, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd set{pidfd, POLLIN, 0};
    const int ready = ::poll(&set, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0) {
      return true;
    }
    if (ready == 0 || errno != EINTR) {
      return false;
    }
  }
}

UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool send_signal(int pidfd, int number) {
  return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
}

}  // namespace

std::string_view to_string(ContainerState state) {
  switch (state) {
    case ContainerState::kAbsent:
      return "absent";
    case ContainerState::kCreated:
      return "created";
    case ContainerState::kRunning:
      return "running";
    case ContainerState::kPaused:
      return "paused";
    case ContainerState::kStopped:
      return "stopped";
  }
  return "unknown";
}

Result<ContainerStatus> parse_runc_state(std::string_view json) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(json, 1U << 20U), "runc state");
  const auto name = base::get_string(document, "status");
  const auto pid = base::get_int(document, "pid");
  if (!name || !pid || *pid < 0 || *pid > std::numeric_limits<pid_t>::max()) {
    return fail(Errc::kInvalidArgument, "runc state: no status or pid in it");
  }
  ContainerStatus status{.state = ContainerState::kStopped, .pid = static_cast<pid_t>(*pid)};
  for (const auto state :
       {ContainerState::kCreated, ContainerState::kRunning, ContainerState::kPaused}) {
    if (*name == to_string(state)) {
      status.state = state;
    }
  }
  return status;
}

std::string last_runc_message(std::string_view log) {
  std::string message;
  for (const std::string_view line : base::split(log, '\n')) {
    const auto document = base::parse_json(line, 64U << 10U);
    const auto text = document ? base::get_string(*document, "msg") : std::nullopt;
    if (text) {
      message = base::printable(*text, 1000);
    }
  }
  return message;
}

Runc::Runc(std::string program, std::string root)
    : program_(std::move(program)), root_(std::move(root)) {}

Status Runc::start(const std::string& id, const std::string& bundle,
                   const std::string& output_file) {
  VK8S_TRY(sys::ensure_directory(root_, 0700));
  const std::string log_file = bundle + "/runc.log";
  VK8S_TRY(sys::remove_tree(log_file));
  const Status started = start_once(id, bundle, output_file, log_file);
  if (started) {
    return started;
  }
  const auto log = sys::read_file(log_file, 1U << 20U);
  const std::string words = log ? last_runc_message(*log) : std::string();
  return fail(started.error().code(), "start container {}: {}{}{}", id, started.error().message(),
              words.empty() ? "" : ": ", words);
}

// The container inherits the output descriptors for its life, so they are a
// file's, not a pipe's.
Status Runc::start_once(const std::string& id, const std::string& bundle,
                        const std::string& output_file, const std::string& log_file) {
  const UniqueFd output(
      ::open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!output) {
    return fail_errno(errno, "open {}", output_file);
  }
  sys::SpawnOptions options;
  options.argv = {program_, "--root", root_,      "--log",    log_file, "--log-format",
                  "json",   "run",    "--detach", "--bundle", bundle,   id};
  options.environment = sys::scrubbed_environment();
  options.stdout_fd = output.get();
  options.stderr_fd = output.get();
  sys::ChildProcess child = VK8S_TRY(sys::ChildProcess::spawn(options));
  if (!wait_for_end(child.pidfd(), 60s)) {
    return fail(Errc::kTimeout, "runc did not return within 60 s");
  }
  const sys::ExitStatus ended = child.wait();
  if (!ended.success()) {
    return fail(Errc::kInternal, "runc ended with {}", ended.to_string());
  }
  return {};
}

Result<ContainerStatus> Runc::status(const std::string& id) {
  if (!sys::exists(fmt::format("{}/{}/state.json", root_, id))) {
    return ContainerStatus{};
  }
  const std::string text =
      VK8S_TRY(sys::check_command({.argv = {program_, "--root", root_, "state", id},
                                   .environment = sys::scrubbed_environment()}));
  return parse_runc_state(text);
}

Status Runc::stop(const std::string& id, std::chrono::milliseconds grace) {
  const ContainerStatus before = VK8S_TRY(status(id));
  if (before.state == ContainerState::kAbsent) {
    return sys::remove_tree(fmt::format("{}/{}", root_, id));
  }
  if (before.state != ContainerState::kStopped) {
    const UniqueFd process = open_process(before.pid);
    // The number may have gone to another process in between: asked again, now
    // that the descriptor holds it.
    const ContainerStatus now = VK8S_TRY(status(id));
    if (process && now.state != ContainerState::kStopped && now.pid == before.pid) {
      const bool ended = send_signal(process.get(), SIGTERM) && wait_for_end(process.get(), grace);
      if (!ended && send_signal(process.get(), SIGKILL) && !wait_for_end(process.get(), 30s)) {
        return fail(Errc::kTimeout, "container {}: process {} does not end after SIGKILL", id,
                    before.pid);
      }
    }
  }
  VK8S_TRY(sys::check_command({.argv = {program_, "--root", root_, "delete", "--force", id},
                               .environment = sys::scrubbed_environment()}));
  return {};
}

}  // namespace vk8s::host
