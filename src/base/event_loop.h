// One thread's event loop: descriptors, timers and posted work.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace vk8s::base {

// Owner of a timer or a watch; its end cancels it. After that, and after
// cancel(), the callback is not called again. Used on the loop's thread only, and
// gone before the loop is.
class [[nodiscard]] Registration {
 public:
  Registration() = default;
  explicit Registration(std::shared_ptr<void> state) : state_(std::move(state)) {}
  Registration(Registration&&) noexcept = default;
  Registration& operator=(Registration&&) noexcept = default;
  void cancel() { state_.reset(); }
  explicit operator bool() const { return state_ != nullptr; }

 private:
  std::shared_ptr<void> state_;
};

// What needs time asks for it here, so that a test can hold time still
// (FakeTimers in base/fake_timers.h).
class Timers {
 public:
  using Callback = std::function<void()>;
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Timers() = default;
  virtual TimePoint now() const = 0;
  // Calls back once, not before delay has passed.
  virtual Registration after(std::chrono::nanoseconds delay, Callback callback) = 0;
};

// Everything but post() and stop() is called on the thread that runs the loop
// (or before run()). Callbacks run on that thread, one at a time.
class EventLoop : public Timers {
 public:
  enum class Interest { kReadable, kWritable };

  EventLoop();
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until stop(); a stop() before run() counts, so none is lost between two
  // threads. It may run again after that.
  void run();
  // Any thread. The callback being run is finished, later ones are not begun (but
  // kept for the next run()).
  void stop();
  // Any thread. Callbacks run in the order they were posted in.
  void post(Callback callback);

  TimePoint now() const override;
  Registration after(std::chrono::nanoseconds delay, Callback callback) override;

  // Calls back each time fd is readable (or writable, or has an error or hangup).
  // Level-triggered; fd becomes non-blocking. The loop does not own fd, and the
  // caller may close it before or after the registration ends. Several watches
  // on one fd are allowed. The loop watches a duplicate, so the other end of a
  // pipe sees it open until the registration ends. The result is empty if fd is
  // not open or the process has no descriptor left.
  Registration watch(int fd, Interest interest, Callback callback);

  // For modules that use Asio itself (http::Server).
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vk8s::base

namespace vk8s {
using base::EventLoop;
using base::Registration;
using base::Timers;
}  // namespace vk8s
