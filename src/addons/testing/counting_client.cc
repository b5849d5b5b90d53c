#include "addons/testing/counting_client.h"

#include "addons/object_id.h"

namespace vk8s::addons::testing {
namespace {

kube::ObjectKey key_of(const Json& object) {
  return {text_at(object, "metadata.namespace"), text_at(object, "metadata.name")};
}

}  // namespace

int CountingClient::Counts::total() const {
  int sum = 0;
  for (const auto& [verb, number] : requests) {
    sum += number;
  }
  return sum;
}

kube::Client::Callback CountingClient::counted(std::string verb, const kube::Resource& resource,
                                               kube::ObjectKey key, Callback callback) {
  ++counts_.requests[verb];
  return [this, verb = std::move(verb), resource, key = std::move(key),
          callback = std::move(callback)](Result<Json> result) {
    if (result && on_done_) {
      on_done_(verb, resource, key);
    }
    if (!result) {
      counts_.conflicts += result.error().code() == Errc::kConflict ? 1 : 0;
      const std::string message = result.error().message();
      counts_.failed_webhooks +=
          message.find("failed calling webhook") != std::string::npos ? 1 : 0;
    }
    // Last: it may end this client.
    callback(std::move(result));
  };
}

kube::Call CountingClient::get(const kube::Resource& resource, const kube::ObjectKey& key,
                               Callback callback) {
  return client_->get(resource, key, counted("get", resource, key, std::move(callback)));
}

kube::Call CountingClient::list(const kube::Resource& resource, std::string_view namespace_name,
                                const kube::ListOptions& options, Callback callback) {
  return client_->list(resource, namespace_name, options,
                       counted("list", resource, {}, std::move(callback)));
}

kube::Call CountingClient::create(const kube::Resource& resource, std::string_view namespace_name,
                                  const Json& object, Callback callback, bool dry_run) {
  return client_->create(resource, namespace_name, object,
                         counted("create", resource, key_of(object), std::move(callback)), dry_run);
}

kube::Call CountingClient::update(const kube::Resource& resource, const Json& object,
                                  Callback callback) {
  return client_->update(resource, object,
                         counted("update", resource, key_of(object), std::move(callback)));
}

kube::Call CountingClient::apply(const kube::Resource& resource, const Json& object,
                                 const kube::ApplyOptions& options, Callback callback,
                                 std::string_view subresource) {
  return client_->apply(resource, object, options,
                        counted("apply", resource, key_of(object), std::move(callback)),
                        subresource);
}

kube::Call CountingClient::merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                                       const Json& patch, Callback callback,
                                       std::string_view subresource) {
  return client_->merge_patch(resource, key, patch,
                              counted("patch", resource, key, std::move(callback)), subresource);
}

kube::Call CountingClient::remove(const kube::Resource& resource, const kube::ObjectKey& key,
                                  const kube::DeleteOptions& options, Callback callback) {
  return client_->remove(resource, key, options,
                         counted("delete", resource, key, std::move(callback)));
}

kube::Call CountingClient::raw(kube::RawRequest request,
                               std::function<void(Result<kube::RawResponse>)> callback) {
  ++counts_.requests["raw"];
  return client_->raw(std::move(request), std::move(callback));
}

kube::Call CountingClient::watch(const kube::Resource& resource, std::string_view namespace_name,
                                 const kube::WatchOptions& options,
                                 std::function<void(kube::WatchEvent)> on_event,
                                 std::function<void(Status)> on_done) {
  ++counts_.requests["watch"];
  return client_->watch(resource, namespace_name, options, std::move(on_event), std::move(on_done));
}

}  // namespace vk8s::addons::testing
