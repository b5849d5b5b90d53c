// The API server of the host cluster (or of a virtual one), waiting for each answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "cli/surroundings.h"
#include "cli/user_kubeconfig.h"
#include "kube/client.h"
#include "kube/discovery.h"

namespace vk8s::cli {

// Runs the loop until start's callback has been called or time is over (kTimeout).
template <class T>
Result<T> wait_for(EventLoop& loop, std::chrono::milliseconds timeout,
                   const std::function<kube::Call(std::function<void(Result<T>)>)>& start) {
  std::optional<Result<T>> answer;
  const kube::Call call = start([&](Result<T> result) {
    answer.emplace(std::move(result));
    loop.stop();
  });
  const Registration deadline = loop.after(timeout, [&] {
    answer.emplace(fail(Errc::kTimeout, "no answer within {} ms", timeout.count()));
    loop.stop();
  });
  while (!answer) {
    loop.run();
  }
  return std::move(*answer);
}

// Errors carry what was attempted and, where it helps, what to do.
class HostApi {
 public:
  // surroundings outlives it.
  static Result<HostApi> connect(Surroundings& surroundings, const ConnectionOptions& options);
  HostApi(Surroundings& surroundings, std::shared_ptr<kube::Client> client, std::string server,
          std::string namespace_name);

  kube::Client& client() { return *client_; }
  EventLoop& loop() { return surroundings_->loop; }
  const std::string& server() const { return server_; }
  // The one that was asked for, or the context's.
  const std::string& namespace_name() const { return namespace_name_; }
  // For every later request [30 s].
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  Result<Json> get(const kube::Resource& resource, const kube::ObjectKey& key);
  Result<Json> list(const kube::Resource& resource, std::string_view namespace_name,
                    const kube::ListOptions& options = {});
  // The items of all pages, without their managed fields.
  Result<JsonArray> list_all(const kube::Resource& resource, std::string_view namespace_name,
                             std::string_view label_selector = {});
  Result<Json> create(const kube::Resource& resource, const Json& object);
  Result<Json> merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                           const Json& patch);
  Result<Json> remove(const kube::Resource& resource, const kube::ObjectKey& key,
                      const kube::DeleteOptions& options);
  // The body of a GET; an HTTP status but 200 is an error.
  Result<std::string> read(const std::string& path);
  Result<kube::ServerVersion> version();

  // The Vk8s of that name in the namespace; the name is checked first.
  Result<Json> get_cluster(std::string_view name);
  kube::ObjectKey key_of(std::string_view name) const {
    return {namespace_name_, std::string(name)};
  }

 private:
  Result<Json> wait_for_json(const std::function<kube::Call(kube::Client::Callback)>& start);

  Surroundings* surroundings_;
  std::shared_ptr<kube::Client> client_;
  std::string server_;
  std::string namespace_name_;
  std::chrono::milliseconds timeout_{30'000};
};

// What a cluster may be called: the CRD's rule. kInvalidArgument says it.
Status check_cluster_name(std::string_view name);

// An error of a request for objects of a kind of this project: says how to install
// where the kind is unknown.
Error explain_missing_kind(Error error, std::string_view kind = "Vk8s");

}  // namespace vk8s::cli
