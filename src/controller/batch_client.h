// Several requests at once, waited for together. Any thread but the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "kube/client.h"

namespace vk8s::controller {

class BatchClient {
 public:
  // Begins one request; called on the loop's thread.
  using Request = std::function<kube::Call(kube::Client&, kube::Client::Callback)>;

  // loop and client outlive it.
  BatchClient(EventLoop& loop, kube::Client& client,
              std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // Results in the order of the requests; kTimeout for those not answered in time.
  std::vector<Result<Json>> run(std::vector<Request> requests);
  Result<Json> run_one(Request request);

 private:
  EventLoop& loop_;
  kube::Client& client_;
  std::chrono::milliseconds timeout_;
};

// Requests, as values.
BatchClient::Request get_request(const kube::Resource& resource, kube::ObjectKey key);
BatchClient::Request create_request(const kube::Resource& resource, std::string namespace_name,
                                    Json object, bool dry_run = false);
BatchClient::Request update_request(const kube::Resource& resource, Json object);
BatchClient::Request apply_request(const kube::Resource& resource, Json object,
                                   std::string subresource = {});
BatchClient::Request merge_patch_request(const kube::Resource& resource, kube::ObjectKey key,
                                         Json patch);
BatchClient::Request scale_request(kube::ObjectKey stateful_set, int replicas);
BatchClient::Request remove_request(const kube::Resource& resource, kube::ObjectKey key,
                                    std::string uid);

}  // namespace vk8s::controller
