#include "base/event_loop.h"

#include <fcntl.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/unique_fd.h"

namespace vk8s::base {
namespace asio = boost::asio;

struct EventLoop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
};

namespace {

struct TimerState : std::enable_shared_from_this<TimerState> {
  TimerState(asio::io_context& context, Timers::Callback c)
      : timer(context), callback(std::move(c)) {}

  void start(std::chrono::nanoseconds delay) {
    timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(delay));
    // The registration owns this state; a cancelled one is gone when asio calls.
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) {
        self->callback();
      }
    });
  }

  asio::steady_timer timer;
  Timers::Callback callback;
};

struct WatchState : std::enable_shared_from_this<WatchState> {
  WatchState(asio::io_context& context, int fd, EventLoop::Interest i, Timers::Callback c)
      : descriptor(context, fd), interest(i), callback(std::move(c)) {}
  // The caller owns the descriptor that it watches: a duplicate is registered
  // (epoll knows a file by descriptor), and closed here.
  void arm() {
    const auto type = interest == EventLoop::Interest::kReadable
                          ? asio::posix::descriptor_base::wait_read
                          : asio::posix::descriptor_base::wait_write;
    descriptor.async_wait(type, [weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error == asio::error::operation_aborted) {
        return;
      }
      self->callback();
      self->arm();
    });
  }

  asio::posix::stream_descriptor descriptor;
  EventLoop::Interest interest;
  Timers::Callback callback;
};

}  // namespace

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  impl_->context.run();
  // After, not before: a stop() that came first must end the run it was meant for.
  impl_->context.restart();
}
void EventLoop::stop() { impl_->context.stop(); }
void EventLoop::post(Callback callback) { asio::post(impl_->context, std::move(callback)); }
Timers::TimePoint EventLoop::now() const { return std::chrono::steady_clock::now(); }

Registration EventLoop::after(std::chrono::nanoseconds delay, Callback callback) {
  auto state = std::make_shared<TimerState>(impl_->context, std::move(callback));
  state->start(delay);
  return Registration(std::move(state));
}

Registration EventLoop::watch(int fd, Interest interest, Callback callback) {
  UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate) {
    return {};
  }
  try {
    auto state = std::make_shared<WatchState>(impl_->context, duplicate.get(), interest,
                                              std::move(callback));
    duplicate.release();
    state->arm();
    return Registration(std::move(state));
  } catch (const boost::system::system_error&) {
    return {};  // epoll has no room: /proc/sys/fs/epoll/max_user_watches
  }
}

asio::io_context& EventLoop::context() { return impl_->context; }

}  // namespace vk8s::base
