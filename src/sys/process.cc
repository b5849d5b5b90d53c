#include "sys/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/text.h"

extern char** environ;

namespace vk8s::sys {
namespace {

// What the child needs, laid out before the fork: it may only make system calls.
struct Image {
  std::string path;
  std::vector<char*> argv;
  std::vector<std::string> environment_text;
  std::vector<char*> environment;
};

Result<std::string> look_up(const SpawnOptions& options) {
  const std::string& name = options.argv.front();
  if (name.find('/') != std::string::npos) {
    return name;
  }
  const auto path = options.environment.find("PATH");
  if (path != options.environment.end()) {
    for (const std::string_view folder : base::split(path->second, ':')) {
      std::string candidate = fmt::format("{}/{}", folder, name);
      if (::access(candidate.c_str(), X_OK) == 0) {
        return candidate;
      }
    }
  }
  return fail(Errc::kNotFound, "program {} is not in PATH ({})", name,
              path == options.environment.end() ? "unset" : path->second);
}

Result<Image> prepare(const SpawnOptions& options) {
  if (options.argv.empty()) {
    return fail(Errc::kInvalidArgument, "spawn: argv is empty");
  }
  Image image;
  image.path = VK8S_TRY(look_up(options));
  for (const std::string& argument : options.argv) {
    image.argv.push_back(const_cast<char*>(argument.c_str()));
  }
  image.argv.push_back(nullptr);
  for (const auto& [key, value] : options.environment) {
    image.environment_text.push_back(fmt::format("{}={}", key, value));
  }
  for (std::string& text : image.environment_text) {
    image.environment.push_back(text.data());
  }
  image.environment.push_back(nullptr);
  return image;
}

void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool place_descriptor(int from, int to) {
  if (from == to) {
    const int flags = ::fcntl(from, F_GETFD);
    return flags >= 0 && ::fcntl(from, F_SETFD, flags & ~FD_CLOEXEC) == 0;
  }
  return ::dup2(from, to) >= 0;
}

bool enter_cgroup(const std::string& procs_file) {
  const int fd = ::open(procs_file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const bool written = ::write(fd, "0", 1) == 1;
  const int error = errno;
  ::close(fd);
  errno = error;
  return written;
}

// The step at which a child failed, and why; written to the failure pipe.
struct Failure {
  int step;
  int error_number;
};
enum Step : int { kCgroup, kDescriptors, kDirectory, kExec };

constexpr std::array<std::string_view, 4> kStepNames = {"enter cgroup", "place descriptors",
                                                        "enter working directory", "execute"};

[[noreturn]] void report(int pipe_fd, Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const auto written = ::write(pipe_fd, &failure, sizeof failure);
  ::_exit(127);
}

[[noreturn]] void run_child(const SpawnOptions& options, const Image& image, int pipe_fd) {
  reset_signals();
  if (options.new_session) {
    ::setsid();
  }
  if (options.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  for (const std::string& procs_file : options.cgroup_procs) {
    if (!enter_cgroup(procs_file)) {
      report(pipe_fd, kCgroup);
    }
  }
  const int input =
      options.stdin_fd >= 0 ? options.stdin_fd : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || !place_descriptor(input, STDIN_FILENO) ||
      (options.stdout_fd >= 0 && !place_descriptor(options.stdout_fd, STDOUT_FILENO)) ||
      (options.stderr_fd >= 0 && !place_descriptor(options.stderr_fd, STDERR_FILENO))) {
    report(pipe_fd, kDescriptors);
  }
  if (!options.working_directory.empty() && ::chdir(options.working_directory.c_str()) != 0) {
    report(pipe_fd, kDirectory);
  }
  ::execve(image.path.c_str(), image.argv.data(), image.environment.data());
  report(pipe_fd, kExec);
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal != 0) {
    const char* name = ::sigabbrev_np(signal);
    return fmt::format("signal {} (SIG{})", signal, name == nullptr ? "?" : name);
  }
  return fmt::format("exit code {}", code);
}

Result<ChildProcess> ChildProcess::spawn(const SpawnOptions& options) {
  const Image image = VK8S_TRY(prepare(options));
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail_errno(errno, "spawn {}: pipe", options.argv[0]);
  }
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  int pidfd = -1;
  struct clone_args arguments {};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) {
    return fail_errno(errno, "spawn {}: clone3", options.argv[0]);
  }
  if (pid == 0) {
    run_child(options, image, write_end.get());
  }
  ChildProcess child(static_cast<pid_t>(pid), UniqueFd(pidfd));
  write_end.reset();
  Failure failure{};
  ssize_t got = 0;
  do {
    got = ::read(read_end.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof failure) {
    child.wait();
    return fail_errno(failure.error_number, "spawn {}: {}", image.path,
                      kStepNames.at(static_cast<std::size_t>(failure.step)));
  }
  return child;
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    this->~ChildProcess();
    pid_ = other.pid_;
    new (&pidfd_) UniqueFd(std::move(other.pidfd_));
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  if (is_running()) {
    [[maybe_unused]] const Status killed = signal(SIGKILL);
    wait();
  }
}

Status ChildProcess::signal(int signal_number) {
  if (!is_running()) {
    return fail(Errc::kNotFound, "process {} has ended", pid_);
  }
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal_number, nullptr, 0) != 0) {
    return fail_errno(errno, "signal {} to process {}", signal_number, pid_);
  }
  return {};
}

std::optional<ExitStatus> ChildProcess::reap(int options) {
  siginfo_t info{};
  int result = 0;
  do {
    result = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info,
                      WEXITED | options);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) {
    return std::nullopt;  // WNOHANG: it runs
  }
  pidfd_.reset();
  if (result != 0) {
    return ExitStatus{.code = 255, .signal = 0};  // ECHILD: somebody else reaped it
  }
  if (info.si_code == CLD_EXITED) {
    return ExitStatus{.code = info.si_status, .signal = 0};
  }
  return ExitStatus{.code = 0, .signal = info.si_status};
}

std::optional<ExitStatus> ChildProcess::try_wait() { return reap(WNOHANG); }

ExitStatus ChildProcess::wait() { return *reap(0); }

Environment scrubbed_environment() {
  static constexpr std::array<std::string_view, 6> kKept = {"PATH", "HOME", "LANG",
                                                            "TERM", "TZ",   "TMPDIR"};
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t end = text.find('=');
    for (const std::string_view key : kKept) {
      if (text.substr(0, end) == key && end != std::string_view::npos) {
        environment.emplace(key, text.substr(end + 1));
      }
    }
  }
  environment.emplace("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  return environment;
}

}  // namespace vk8s::sys
