// Child processes: spawn with an exact argv and environment, watch by pidfd.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace vk8s::sys {

using Environment = std::map<std::string, std::string>;

struct SpawnOptions {
  std::vector<std::string> argv;          // argv[0] is a path, or a name looked up in PATH
  Environment environment;                // exactly this, nothing inherited
  std::string working_directory;          // "" = the parent's
  std::vector<std::string> cgroup_procs;  // cgroup.procs files the child enters before exec
  int stdin_fd = -1;                      // -1 = /dev/null
  int stdout_fd = -1;                     // -1 = the parent's
  int stderr_fd = -1;
  bool new_session = true;       // setsid(): signals of a terminal do not reach it
  bool die_with_parent = false;  // PR_SET_PDEATHSIG SIGKILL
};

struct ExitStatus {
  int code = 0;    // valid if signal == 0
  int signal = 0;  // that killed it, or 0
  bool success() const { return code == 0 && signal == 0; }
  std::string to_string() const;  // "exit code 1", "signal 9 (SIGKILL)"
};

// A running child, reaped by wait(), try_wait() or its owner's end (which kills
// it with SIGKILL and reaps: nothing is left behind). Linux >= 5.4.
class ChildProcess {
 public:
  // An exec failure is reported here with its errno (through a close-on-exec
  // pipe), not as an exit code.
  static Result<ChildProcess> spawn(const SpawnOptions& options);

  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once it has ended
  bool is_running() const { return static_cast<bool>(pidfd_); }

  Status signal(int signal_number);
  // Its status if it has ended (reaped then), else nothing.
  std::optional<ExitStatus> try_wait();
  ExitStatus wait();

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  std::optional<ExitStatus> reap(int options);

  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

struct CommandOutput {
  ExitStatus status;
  std::string standard_output;  // at most the limit given; more is an error
  std::string standard_error;   // the last 4 KiB
};

// Runs a command to its end. It is killed at the deadline (kTimeout). A status
// that is not success is not an error here.
struct CommandOptions {
  std::string standard_input;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  std::size_t max_output_bytes = 4U << 20U;
};
Result<CommandOutput> run_command(SpawnOptions options, const CommandOptions& command = {});

// The same, where anything but success is an error that carries the command's
// last words. Returns standard output.
Result<std::string> check_command(SpawnOptions options, const CommandOptions& command = {});

// The parent's environment without KUBERNETES_* and *_SERVICE_*/_PORT_* variables
// (of the host's API server) and without anything not in a short list.
Environment scrubbed_environment();

}  // namespace vk8s::sys
