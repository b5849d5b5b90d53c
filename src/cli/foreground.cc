#include "cli/foreground.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "cli/clean_text.h"
#include "cli/signals.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 64U << 10U;

// The read end of a child's standard output, cut into lines.
class OutputLines {
 public:
  explicit OutputLines(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}

  // The end that the child writes to.
  Result<UniqueFd> open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      return fail_errno(errno, "make a pipe");
    }
    read_end_.reset(ends[0]);
    return UniqueFd(ends[1]);
  }

  int fd() const { return read_end_.get(); }

  // False once there is nothing more to come.
  bool read_some() {
    std::array<char, 16384> buffer;
    const ssize_t got = ::read(read_end_.get(), buffer.data(), buffer.size());
    if (got < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    partial_.append(buffer.data(), static_cast<std::size_t>(got));
    tell_lines();
    if (got == 0 && !partial_.empty()) {
      on_line_(clean_line(partial_));
      partial_.clear();
    }
    return got > 0;
  }

 private:
  void tell_lines() {
    std::size_t begin = 0;
    for (std::size_t end = partial_.find('\n'); end != std::string::npos;
         end = partial_.find('\n', begin)) {
      on_line_(clean_line(std::string_view(partial_).substr(begin, end - begin)));
      begin = end + 1;
    }
    partial_.erase(0, begin);
    if (partial_.size() > kMaxLineBytes) {
      on_line_(clean_line(partial_));
      partial_.clear();
    }
  }

  const std::function<void(std::string_view)>& on_line_;
  UniqueFd read_end_;
  std::string partial_;
};

}  // namespace

Result<sys::ExitStatus> run_in_foreground(EventLoop& loop, const ForegroundCommand& command) {
  OutputLines lines(command.on_line);
  UniqueFd write_end;
  sys::SpawnOptions options{.argv = command.argv, .environment = command.environment};
  options.stdin_fd = STDIN_FILENO;
  options.new_session = false;
  if (command.on_line) {
    write_end = VK8S_TRY(lines.open());
    options.stdout_fd = write_end.get();
  }
  std::optional<sys::ChildProcess> child;
  const SignalWatch signals(loop, {SIGINT, SIGQUIT, SIGTERM, SIGHUP}, [&child](int number) {
    if (child && (number == SIGTERM || number == SIGHUP)) {
      [[maybe_unused]] const Status sent = child->signal(number);
    }
  });
  child.emplace(VK8S_TRY(sys::ChildProcess::spawn(options)));
  write_end.reset();
  bool has_output = static_cast<bool>(command.on_line);
  std::optional<sys::ExitStatus> exit;
  Registration output;
  if (has_output) {
    output = loop.watch(lines.fd(), EventLoop::Interest::kReadable, [&] {
      if (!lines.read_some()) {
        has_output = false;
        output.cancel();
        loop.stop();
      }
    });
  }
  Registration end = loop.watch(child->pidfd(), EventLoop::Interest::kReadable, [&] {
    exit = child->wait();
    end.cancel();
    loop.stop();
  });
  while (!exit || has_output) {
    loop.run();
  }
  return *exit;
}

}  // namespace vk8s::cli
