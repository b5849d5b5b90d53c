#include "controller/batch_client.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "controller/manifests.h"

namespace vk8s::controller {
namespace {

struct Batch {
  std::vector<BatchClient::Request> requests;
  std::vector<kube::Call> calls;  // touched on the loop's thread only

  std::mutex mutex;
  std::condition_variable all_done;
  // Guarded by mutex.
  std::vector<std::optional<Result<Json>>> results;
  std::size_t missing = 0;

  void finish(std::size_t index, Result<Json> result) {
    const std::lock_guard lock(mutex);
    if (!results[index]) {
      results[index] = std::move(result);
      if (--missing == 0) {
        all_done.notify_all();
      }
    }
  }
};

}  // namespace

BatchClient::BatchClient(EventLoop& loop, kube::Client& client, std::chrono::milliseconds timeout)
    : loop_(loop), client_(client), timeout_(timeout) {}

std::vector<Result<Json>> BatchClient::run(std::vector<Request> requests) {
  if (requests.empty()) {
    return {};
  }
  const auto batch = std::make_shared<Batch>();
  batch->results.resize(requests.size());
  batch->missing = requests.size();
  batch->requests = std::move(requests);
  loop_.post([batch, &client = client_] {
    for (std::size_t i = 0; i < batch->requests.size(); ++i) {
      // Weak: the batch has the call, and the call would have the batch.
      batch->calls.push_back(
          batch->requests[i](client, [weak = std::weak_ptr(batch), i](Result<Json> result) {
            if (const auto there = weak.lock()) {
              there->finish(i, std::move(result));
            }
          }));
    }
  });
  {
    std::unique_lock lock(batch->mutex);
    batch->all_done.wait_for(lock, timeout_, [&] { return batch->missing == 0; });
  }
  // Calls end on the loop's thread.
  loop_.post([batch] { batch->calls.clear(); });
  std::vector<Result<Json>> out;
  const std::lock_guard lock(batch->mutex);
  for (auto& result : batch->results) {
    out.push_back(result ? std::move(*result)
                         : fail(Errc::kTimeout, "the API server did not answer within {} ms",
                                timeout_.count()));
    result = fail(Errc::kCancelled, "given up");
  }
  return out;
}

Result<Json> BatchClient::run_one(Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return std::move(run(std::move(requests)).front());
}

BatchClient::Request get_request(const kube::Resource& resource, kube::ObjectKey key) {
  return [&resource, key = std::move(key)](kube::Client& client, kube::Client::Callback done) {
    return client.get(resource, key, std::move(done));
  };
}

BatchClient::Request create_request(const kube::Resource& resource, std::string namespace_name,
                                    Json object, bool dry_run) {
  return [&resource, in = std::move(namespace_name), object = std::move(object), dry_run](
             kube::Client& client, kube::Client::Callback done) {
    return client.create(resource, in, object, std::move(done), dry_run);
  };
}

BatchClient::Request update_request(const kube::Resource& resource, Json object) {
  return
      [&resource, object = std::move(object)](kube::Client& client, kube::Client::Callback done) {
        return client.update(resource, object, std::move(done));
      };
}

BatchClient::Request apply_request(const kube::Resource& resource, Json object,
                                   std::string subresource) {
  return [&resource, object = std::move(object), subresource = std::move(subresource)](
             kube::Client& client, kube::Client::Callback done) {
    kube::ApplyOptions options;
    options.field_manager = kFieldManager;
    return client.apply(resource, object, options, std::move(done), subresource);
  };
}

BatchClient::Request merge_patch_request(const kube::Resource& resource, kube::ObjectKey key,
                                         Json patch) {
  return [&resource, key = std::move(key), patch = std::move(patch)](kube::Client& client,
                                                                     kube::Client::Callback done) {
    return client.merge_patch(resource, key, patch, std::move(done));
  };
}

BatchClient::Request scale_request(kube::ObjectKey stateful_set, int replicas) {
  return merge_patch_request(kube::resources::kStatefulSet, std::move(stateful_set),
                             JsonObject{{"spec", JsonObject{{"replicas", replicas}}}});
}

BatchClient::Request remove_request(const kube::Resource& resource, kube::ObjectKey key,
                                    std::string uid) {
  return [&resource, key = std::move(key), uid = std::move(uid)](kube::Client& client,
                                                                 kube::Client::Callback done) {
    kube::DeleteOptions options;
    options.uid = uid;
    return client.remove(resource, key, options, std::move(done));
  };
}

}  // namespace vk8s::controller
