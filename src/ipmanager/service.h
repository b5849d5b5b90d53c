// The running vk8s-ip-manager: the Allocator's caches, the Sweeper, and the
// interface over TLS. Any number of replicas may run: see allocator.h.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "http/server.h"
#include "ipmanager/access_review.h"
#include "ipmanager/allocator.h"
#include "ipmanager/rest_api.h"
#include "ipmanager/service_metrics.h"
#include "ipmanager/serving_certificate.h"
#include "ipmanager/sweeper.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

struct ServiceOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = 5002;                   // 0 = any free one
  std::string namespace_name = "vk8s-system";  // of the CA's Secret and ConfigMap
  AccessOptions access;
};

class Service {
 public:
  // What is passed in outlives it.
  Service(EventLoop& loop, kube::Client& client, ServiceOptions options, Log log);
  // After stop() has called back, or where start() was never called.
  ~Service();

  // Listens at once, and is ready when the caches are filled and its
  // certificate can be verified. Errors: those of http::Server::start().
  Status start();
  // Lets requests being handled end, then calls on_stopped.
  void stop(std::function<void()> on_stopped);

  std::uint16_t port() const { return server_->port(); }
  bool is_ready() const { return allocator_.has_synced() && certificate_.is_installed(); }

 private:
  void handle(http::ServerRequest request, http::Responder responder);
  http::ServerResponse answer_open(const http::ServerRequest& request);

  EventLoop& loop_;
  ServiceOptions options_;
  Log log_;
  Allocator allocator_;
  Sweeper sweeper_;
  AccessReview access_;
  RestApi api_;
  ServiceMetrics metrics_;
  ServingCertificate certificate_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace vk8s::ipmanager
