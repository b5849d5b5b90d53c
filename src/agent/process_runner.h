// Starts programs and tells of their output and end on the event loop.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/event_loop.h"
#include "sys/process.h"

namespace vk8s::agent {

// A running program; its end (the object's) kills and reaps it.
class RunningProcess {
 public:
  virtual ~RunningProcess() = default;
  virtual int pid() const = 0;
  virtual void signal(int number) = 0;
};

struct ProcessCallbacks {
  std::function<void(std::string_view)> on_output;  // bytes of both outputs, as they come
  std::function<void(sys::ExitStatus)> on_exit;     // once, after the last on_output
};

// How the supervisor gets processes: real ones, or those of a test.
class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  // Callbacks come on the loop's thread, never from within start(), and not
  // after the RunningProcess has ended.
  virtual Result<std::unique_ptr<RunningProcess>> start(sys::SpawnOptions options,
                                                        ProcessCallbacks callbacks) = 0;
};

class LoopProcessRunner final : public ProcessRunner {
 public:
  explicit LoopProcessRunner(EventLoop& loop) : loop_(loop) {}
  Result<std::unique_ptr<RunningProcess>> start(sys::SpawnOptions options,
                                                ProcessCallbacks callbacks) override;

 private:
  EventLoop& loop_;
};

}  // namespace vk8s::agent
