// An event loop on a thread of its own, for tests that wait for it.
#pragma once

#include <chrono>
#include <future>
#include <thread>

#include "base/event_loop.h"

namespace vk8s::kube::testing {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() { stop(); }

  EventLoop& loop() { return loop_; }

  // Runs function on the loop and waits for it.
  template <class Function>
  auto run(Function function) -> decltype(function()) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    loop_.post([&task] { task(); });
    return result.get();
  }

  // Asks condition() on the loop's thread every 5 ms until it is true.
  template <class Condition>
  bool wait_until(Condition condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!run(condition)) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      tick(std::chrono::milliseconds(5));
    }
    return true;
  }

  // Waits for one timer of the loop: between two questions, never for something.
  void tick(std::chrono::milliseconds length) {
    std::promise<void> fired;
    Registration timer = run([&] { return loop_.after(length, [&fired] { fired.set_value(); }); });
    fired.get_future().wait();
    run([&timer] { timer.cancel(); });
  }

  void stop() {
    if (thread_.joinable()) {
      loop_.stop();
      thread_.join();
    }
  }

 private:
  EventLoop loop_;
  std::thread thread_;
};

}  // namespace vk8s::kube::testing
