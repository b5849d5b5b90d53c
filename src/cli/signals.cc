#include "cli/signals.h"

#include <sys/signalfd.h>

namespace vk8s::cli {

SignalWatch::SignalWatch(EventLoop& loop, const std::vector<int>& signals,
                         std::function<void(int signal_number)> on_signal) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) {
    sigaddset(&set, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, &previous_);
  descriptor_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor_) {
    // Without a descriptor they keep their usual meaning.
    ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
    return;
  }
  registration_ = loop.watch(descriptor_.get(), EventLoop::Interest::kReadable,
                             [fd = descriptor_.get(), callback = std::move(on_signal)] {
                               signalfd_siginfo info{};
                               while (::read(fd, &info, sizeof info) == sizeof info) {
                                 callback(static_cast<int>(info.ssi_signo));
                               }
                             });
}

SignalWatch::~SignalWatch() {
  registration_.cancel();
  ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

}  // namespace vk8s::cli
