#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/text.h"
#include "sys/process.h"

namespace vk8s::sys {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kKeptErrorBytes = 4096;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail_errno(errno, "pipe");
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Moves bytes between a running command and this process until both of its
// outputs are closed.
class Exchange {
 public:
  Exchange(std::string_view name, const CommandOptions& options, UniqueFd input, UniqueFd out,
           UniqueFd diagnostics)
      : name_(name),
        options_(options),
        remaining_input_(options.standard_input),
        input_(std::move(input)),
        output_(std::move(out)),
        error_(std::move(diagnostics)) {
    ::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
    if (remaining_input_.empty()) {
      input_.reset();
    }
  }

  Status run(Clock::time_point deadline) {
    while (output_ || error_) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) {
        return fail(Errc::kTimeout, "{} did not end within {} ms", name_, options_.timeout.count());
      }
      std::array<pollfd, 3> set = {pollfd{output_.get(), POLLIN, 0},
                                   pollfd{error_.get(), POLLIN, 0},
                                   pollfd{input_.get(), POLLOUT, 0}};
      if (::poll(set.data(), set.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
        return fail_errno(errno, "{}: poll", name_);
      }
      if (set[0].revents != 0) {
        VK8S_TRY(take_output());
      }
      if (set[1].revents != 0) {
        take_error();
      }
      if (set[2].revents != 0) {
        give_input();
      }
    }
    return {};
  }

  std::string output;
  std::string error;

 private:
  Status take_output() {
    std::array<char, 65536> buffer{};
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      output.append(buffer.data(), static_cast<std::size_t>(got));
      if (output.size() > options_.max_output_bytes) {
        return fail(Errc::kTooLarge, "{} printed more than {} bytes", name_,
                    options_.max_output_bytes);
      }
    } else if (got == 0 || errno != EINTR) {
      output_.reset();
    }
    return {};
  }

  void take_error() {
    std::array<char, kKeptErrorBytes> buffer{};
    const ssize_t got = ::read(error_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      error.append(buffer.data(), static_cast<std::size_t>(got));
      if (error.size() > kKeptErrorBytes) {
        error.erase(0, error.size() - kKeptErrorBytes);
      }
    } else if (got == 0 || errno != EINTR) {
      error_.reset();
    }
  }

  void give_input() {
    const ssize_t given = ::write(input_.get(), remaining_input_.data(), remaining_input_.size());
    if (given > 0) {
      remaining_input_.remove_prefix(static_cast<std::size_t>(given));
    }
    const bool again = given < 0 && (errno == EAGAIN || errno == EINTR);
    if ((given < 0 && !again) || remaining_input_.empty()) {
      input_.reset();
    }
  }

  std::string_view name_;
  const CommandOptions& options_;
  std::string_view remaining_input_;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd error_;
};

// A write to a command that has ended gives EPIPE instead of the signal.
class IgnoredSigpipe {
 public:
  IgnoredSigpipe() {
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_only, &before_);
  }
  ~IgnoredSigpipe() {
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    const timespec now{};
    while (::sigtimedwait(&pipe_only, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  IgnoredSigpipe(const IgnoredSigpipe&) = delete;
  IgnoredSigpipe& operator=(const IgnoredSigpipe&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<CommandOutput> run_command(SpawnOptions options, const CommandOptions& command) {
  const auto deadline = Clock::now() + command.timeout;
  const IgnoredSigpipe guard;
  Pipe input = VK8S_TRY(make_pipe());
  Pipe output = VK8S_TRY(make_pipe());
  Pipe error = VK8S_TRY(make_pipe());
  options.stdin_fd = input.read_end.get();
  options.stdout_fd = output.write_end.get();
  options.stderr_fd = error.write_end.get();
  ChildProcess child = VK8S_TRY(ChildProcess::spawn(options));
  input.read_end.reset();
  output.write_end.reset();
  error.write_end.reset();

  Exchange exchange(options.argv[0], command, std::move(input.write_end),
                    std::move(output.read_end), std::move(error.read_end));
  VK8S_TRY(exchange.run(deadline));  // on an error child's end kills it
  pollfd ended{child.pidfd(), POLLIN, 0};
  while (
      ::poll(&ended, 1,
             static_cast<int>(std::max<std::int64_t>(
                 0, std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now())
                        .count()))) < 0 &&
      errno == EINTR) {
  }
  const auto status = child.try_wait();
  if (!status) {
    return fail(Errc::kTimeout, "{} did not end within {} ms", options.argv[0],
                command.timeout.count());
  }
  return CommandOutput{*status, std::move(exchange.output), std::move(exchange.error)};
}

Result<std::string> check_command(SpawnOptions options, const CommandOptions& command) {
  const std::string name = options.argv.empty() ? "" : options.argv[0];
  CommandOutput output = VK8S_TRY(run_command(std::move(options), command));
  if (!output.status.success()) {
    return fail(Errc::kInternal, "{} failed ({}): {}", name, output.status.to_string(),
                base::printable(base::trim(output.standard_error)));
  }
  return std::move(output.standard_output);
}

}  // namespace vk8s::sys
