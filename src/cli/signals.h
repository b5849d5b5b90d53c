// Signals as callbacks on the loop, for as long as the object lives.
#pragma once

#include <csignal>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace vk8s::cli {

// Blocks the signals in this thread and hands each to the callback; afterwards they
// act as before. The loop outlives it.
class SignalWatch {
 public:
  SignalWatch(EventLoop& loop, const std::vector<int>& signals,
              std::function<void(int signal_number)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  sigset_t previous_{};
  UniqueFd descriptor_;
  Registration registration_;
};

}  // namespace vk8s::cli
