// Signals as events of the loop, and the reaping that PID 1 owes its namespace.
#pragma once

#include <functional>
#include <initializer_list>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace vk8s::agent {

// Blocks the signals for the whole process and tells of each on the loop. Made
// before any thread is.
class SignalWatch {
 public:
  static Result<SignalWatch> create(EventLoop& loop, std::initializer_list<int> signals,
                                    std::function<void(int)> handler);

 private:
  SignalWatch(UniqueFd fd, Registration watch) : fd_(std::move(fd)), watch_(std::move(watch)) {}
  UniqueFd fd_;
  Registration watch_;
};

// Reaps ended children of this process that is_own(pid) does not claim: orphans
// that the kernel gave to PID 1. Own children are reaped by who started them.
void reap_orphans(const std::function<bool(int pid)>& is_own);

}  // namespace vk8s::agent
