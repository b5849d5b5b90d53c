#include <condition_variable>
#include <mutex>

#include "ipmanager/allocator.h"

namespace vk8s::ipmanager {
namespace {

// Where the loop's thread leaves an answer that may come when nobody waits any more.
template <class T>
class Mailbox {
 public:
  void put(T value) {
    const std::scoped_lock lock(mutex_);
    value_ = std::move(value);
    condition_.notify_one();
  }
  std::optional<T> wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, timeout, [this] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable condition_;
  std::optional<T> value_;
};

template <class T>
std::optional<T> ask(EventLoop& loop, std::chrono::milliseconds timeout,
                     std::function<void(std::function<void(T)>)> begin) {
  const auto mailbox = std::make_shared<Mailbox<T>>();
  loop.post([mailbox, begin = std::move(begin)] {
    begin([mailbox](T value) { mailbox->put(std::move(value)); });
  });
  return mailbox->wait(timeout);
}

tl::unexpected<Error> too_late(std::chrono::milliseconds timeout) {
  return fail(Errc::kTimeout, "no answer within {} ms: ask again", timeout.count());
}

}  // namespace

BlockingAllocator::BlockingAllocator(EventLoop& loop, Allocator& allocator,
                                     std::chrono::milliseconds timeout)
    : loop_(loop), allocator_(allocator), timeout_(timeout) {}

Result<api::IpAllocation> BlockingAllocator::allocate(AllocationRequest request) {
  using Answer = Result<api::IpAllocation>;
  auto answer = ask<Answer>(loop_, timeout_,
                            [&allocator = allocator_, request = std::move(request)](auto callback) {
                              allocator.allocate(request, std::move(callback));
                            });
  return answer ? *std::move(answer) : Answer(too_late(timeout_));
}

Status BlockingAllocator::release(const IpAddress& address, Expect expect) {
  auto answer =
      ask<Status>(loop_, timeout_,
                  [&allocator = allocator_, address, expect = std::move(expect)](auto callback) {
                    allocator.release(address, expect, std::move(callback));
                  });
  return answer ? *std::move(answer) : Status(too_late(timeout_));
}

std::vector<api::IpAllocation> BlockingAllocator::find_by_owner(const api::IpOwner& owner) {
  using Answer = std::vector<api::IpAllocation>;
  return ask<Answer>(loop_, timeout_,
                     [&allocator = allocator_, owner](auto callback) {
                       callback(allocator.find_by_owner(owner));
                     })
      .value_or(Answer());
}

}  // namespace vk8s::ipmanager
