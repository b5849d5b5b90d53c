#include <condition_variable>
#include <mutex>
#include <optional>

#include "kube/client.h"

namespace vk8s::kube {
namespace {

// Runs start(callback) on the loop and waits for its answer. Whichever thread
// comes last frees the state, but the Call ends on the loop's thread only.
template <class T>
class Rendezvous : public std::enable_shared_from_this<Rendezvous<T>> {
 public:
  using Start = std::function<Call(std::function<void(Result<T>)>)>;

  Result<T> run(EventLoop& loop, Start start, std::chrono::milliseconds timeout) {
    const auto self = this->shared_from_this();
    loop.post([self, start = std::move(start)] { self->begin(start); });
    std::unique_lock lock(mutex_);
    if (condition_.wait_for(lock, timeout, [this] { return answer_.has_value(); })) {
      return std::move(*answer_);
    }
    abandoned_ = true;
    lock.unlock();
    loop.post([self] { self->call_.cancel(); });
    return fail(Errc::kTimeout, "no answer within {} ms", timeout.count());
  }

 private:
  void begin(const Start& start) {
    {
      const std::scoped_lock lock(mutex_);
      if (abandoned_) {
        return;
      }
    }
    // Weak: the call holds this callback, and this holds the call.
    call_ = start([weak = this->weak_from_this()](Result<T> result) {
      if (const auto self = weak.lock()) {
        self->end(std::move(result));
      }
    });
  }

  void end(Result<T> result) {
    // Kept alive by run(), which may return at once: the call ends here first.
    const auto self = this->shared_from_this();
    call_.cancel();
    const std::scoped_lock lock(mutex_);
    answer_ = std::move(result);
    condition_.notify_one();
  }

  Call call_;  // loop's thread
  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable condition_;
  std::optional<Result<T>> answer_;
  bool abandoned_ = false;
};

template <class T>
Result<T> wait_for(EventLoop& loop, std::chrono::milliseconds timeout,
                   typename Rendezvous<T>::Start start) {
  return std::make_shared<Rendezvous<T>>()->run(loop, std::move(start), timeout);
}

}  // namespace

BlockingClient::BlockingClient(EventLoop& loop, Client& client, std::chrono::milliseconds timeout)
    : loop_(loop), client_(client), timeout_(timeout) {}

Result<Json> BlockingClient::get(const Resource& resource, const ObjectKey& key) {
  return wait_for<Json>(loop_, timeout_, [&client = client_, resource, key](auto callback) {
    return client.get(resource, key, std::move(callback));
  });
}

Result<Json> BlockingClient::list(const Resource& resource, std::string_view namespace_name,
                                  const ListOptions& options) {
  return wait_for<Json>(
      loop_, timeout_,
      [&client = client_, resource, name = std::string(namespace_name), options](auto callback) {
        return client.list(resource, name, options, std::move(callback));
      });
}

Result<Json> BlockingClient::create(const Resource& resource, std::string_view namespace_name,
                                    const Json& object, bool dry_run) {
  return wait_for<Json>(loop_, timeout_,
                        [&client = client_, resource, name = std::string(namespace_name), object,
                         dry_run](auto callback) {
                          return client.create(resource, name, object, std::move(callback),
                                               dry_run);
                        });
}

Result<Json> BlockingClient::update(const Resource& resource, const Json& object) {
  return wait_for<Json>(loop_, timeout_, [&client = client_, resource, object](auto callback) {
    return client.update(resource, object, std::move(callback));
  });
}

Result<Json> BlockingClient::apply(const Resource& resource, const Json& object,
                                   const ApplyOptions& options, std::string_view subresource) {
  return wait_for<Json>(loop_, timeout_,
                        [&client = client_, resource, object, options,
                         part = std::string(subresource)](auto callback) {
                          return client.apply(resource, object, options, std::move(callback), part);
                        });
}

Result<Json> BlockingClient::merge_patch(const Resource& resource, const ObjectKey& key,
                                         const Json& patch, std::string_view subresource) {
  return wait_for<Json>(
      loop_, timeout_,
      [&client = client_, resource, key, patch, part = std::string(subresource)](auto callback) {
        return client.merge_patch(resource, key, patch, std::move(callback), part);
      });
}

Result<Json> BlockingClient::remove(const Resource& resource, const ObjectKey& key,
                                    const DeleteOptions& options) {
  return wait_for<Json>(loop_, timeout_,
                        [&client = client_, resource, key, options](auto callback) {
                          return client.remove(resource, key, options, std::move(callback));
                        });
}

Result<RawResponse> BlockingClient::raw(RawRequest request) {
  return wait_for<RawResponse>(loop_, timeout_,
                               [&client = client_, request = std::move(request)](auto callback) {
                                 return client.raw(request, std::move(callback));
                               });
}

}  // namespace vk8s::kube
