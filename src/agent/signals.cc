#include "agent/signals.h"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <vector>

#include "base/text.h"
#include "sys/file.h"

namespace vk8s::agent {

Result<SignalWatch> SignalWatch::create(EventLoop& loop, std::initializer_list<int> signals,
                                        std::function<void(int)> handler) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) {
    sigaddset(&set, number);
  }
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return fail_errno(errno, "block signals");
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    return fail_errno(errno, "signalfd");
  }
  const int raw = fd.get();
  Registration watch =
      loop.watch(raw, EventLoop::Interest::kReadable, [raw, handler = std::move(handler)] {
        signalfd_siginfo info{};
        while (::read(raw, &info, sizeof info) == sizeof info) {
          handler(static_cast<int>(info.ssi_signo));
        }
      });
  return SignalWatch(std::move(fd), std::move(watch));
}

namespace {

// Ended children ("Z") of this process, which WNOWAIT cannot go past one by one.
std::vector<int> ended_children() {
  std::vector<int> pids;
  const auto children = sys::read_file("/proc/thread-self/children");
  if (!children) {
    return pids;
  }
  for (const std::string_view word : base::split(base::trim(*children), ' ')) {
    const int pid = std::atoi(std::string(word).c_str());
    siginfo_t info{};
    if (pid > 0 &&
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid) {
      pids.push_back(pid);
    }
  }
  return pids;
}

}  // namespace

void reap_orphans(const std::function<bool(int pid)>& is_own) {
  while (true) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
      return;
    }
    if (is_own(info.si_pid)) {
      break;  // not ours to reap, and it hides those behind it
    }
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
  }
  for (const int pid : ended_children()) {
    if (!is_own(pid)) {
      siginfo_t info{};
      ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    }
  }
}

}  // namespace vk8s::agent
