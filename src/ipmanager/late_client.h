// A Client for tests that stands before another one: its watch of IPAllocations can be
// behind, and answers of writes can get lost though the writes are done.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "kube/client.h"

namespace vk8s::ipmanager::testing {

class LateClient final : public kube::Client {
 public:
  explicit LateClient(kube::Client& client) : client_(client) {}

  // From now on the watch's events wait.
  void hold() { holds_ = true; }
  void let_through() {
    holds_ = false;
    while (!events_.empty()) {
      const auto event = std::move(events_.front());
      events_.pop_front();
      event();
    }
  }
  // Of the next so many creates and patches.
  void lose_answers(int count) { lost_ = count; }

  kube::Call get(const kube::Resource& resource, const kube::ObjectKey& key,
                 Callback callback) override {
    return client_.get(resource, key, std::move(callback));
  }
  kube::Call list(const kube::Resource& resource, std::string_view namespace_name,
                  const kube::ListOptions& options, Callback callback) override {
    return client_.list(resource, namespace_name, options, std::move(callback));
  }
  kube::Call create(const kube::Resource& resource, std::string_view namespace_name,
                    const Json& object, Callback callback, bool dry_run) override {
    return client_.create(resource, namespace_name, object, perhaps_lost(std::move(callback)),
                          dry_run);
  }
  kube::Call update(const kube::Resource& resource, const Json& object,
                    Callback callback) override {
    return client_.update(resource, object, std::move(callback));
  }
  kube::Call apply(const kube::Resource& resource, const Json& object,
                   const kube::ApplyOptions& options, Callback callback,
                   std::string_view subresource) override {
    return client_.apply(resource, object, options, std::move(callback), subresource);
  }
  kube::Call merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                         const Json& patch, Callback callback,
                         std::string_view subresource) override {
    return client_.merge_patch(resource, key, patch, perhaps_lost(std::move(callback)),
                               subresource);
  }
  kube::Call remove(const kube::Resource& resource, const kube::ObjectKey& key,
                    const kube::DeleteOptions& options, Callback callback) override {
    return client_.remove(resource, key, options, std::move(callback));
  }
  kube::Call raw(kube::RawRequest request,
                 std::function<void(Result<kube::RawResponse>)> callback) override {
    return client_.raw(std::move(request), std::move(callback));
  }
  kube::Call watch(const kube::Resource& resource, std::string_view namespace_name,
                   const kube::WatchOptions& options,
                   std::function<void(kube::WatchEvent)> on_event,
                   std::function<void(Status)> on_done) override {
    if (resource == kube::resources::kIPAllocation) {
      on_event = [this, on_event = std::move(on_event)](kube::WatchEvent event) {
        events_.push_back([on_event, event = std::move(event)] { on_event(event); });
        if (!holds_) {
          let_through();
        }
      };
    }
    return client_.watch(resource, namespace_name, options, std::move(on_event),
                         std::move(on_done));
  }

 private:
  Callback perhaps_lost(Callback callback) {
    if (lost_ == 0) {
      return callback;
    }
    --lost_;
    return [callback = std::move(callback)](const Result<Json>&) {
      callback(fail(Errc::kUnavailable, "connection reset"));
    };
  }

  kube::Client& client_;
  bool holds_ = false;
  int lost_ = 0;
  std::deque<std::function<void()>> events_;
};

}  // namespace vk8s::ipmanager::testing
