#include "agent/process_runner.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace vk8s::agent {
namespace {

class LoopProcess final : public RunningProcess {
 public:
  LoopProcess(EventLoop& loop, sys::ChildProcess child, UniqueFd output, ProcessCallbacks callbacks)
      : child_(std::move(child)),
        output_(std::move(output)),
        callbacks_(std::make_shared<ProcessCallbacks>(std::move(callbacks))) {
    output_watch_ =
        loop.watch(output_.get(), EventLoop::Interest::kReadable, [this] { drain_output(); });
    exit_watch_ =
        loop.watch(child_.pidfd(), EventLoop::Interest::kReadable, [this] { on_ended(); });
  }

  int pid() const override { return child_.pid(); }
  void signal(int number) override { [[maybe_unused]] const Status sent = child_.signal(number); }

 private:
  void drain_output() {
    const auto callbacks = callbacks_;
    std::array<char, 16384> buffer{};
    while (true) {
      const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
      if (got > 0) {
        if (callbacks->on_output) {
          callbacks->on_output({buffer.data(), static_cast<std::size_t>(got)});
        }
      } else if (got < 0 && errno == EINTR) {
        continue;
      } else {
        if (got == 0) {
          output_watch_.cancel();
        }
        return;
      }
    }
  }

  void on_ended() {
    const auto status = child_.try_wait();
    if (!status) {
      return;
    }
    // What a grandchild still holds open is not waited for.
    drain_output();
    output_watch_.cancel();
    exit_watch_.cancel();
    // The callback may end this object: nothing of it is used after.
    const auto callbacks = callbacks_;
    callbacks->on_exit(*status);
  }

  sys::ChildProcess child_;
  UniqueFd output_;
  std::shared_ptr<ProcessCallbacks> callbacks_;
  Registration output_watch_;
  Registration exit_watch_;
};

}  // namespace

Result<std::unique_ptr<RunningProcess>> LoopProcessRunner::start(sys::SpawnOptions options,
                                                                 ProcessCallbacks callbacks) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail_errno(errno, "start {}: pipe", options.argv.empty() ? "" : options.argv[0]);
  }
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  options.stdout_fd = write_end.get();
  options.stderr_fd = write_end.get();
  sys::ChildProcess child = VK8S_TRY(sys::ChildProcess::spawn(options));
  return std::make_unique<LoopProcess>(loop_, std::move(child), std::move(read_end),
                                       std::move(callbacks));
}

}  // namespace vk8s::agent
