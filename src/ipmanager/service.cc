#include "ipmanager/service.h"

#include <algorithm>
#include <utility>

#include "ipmanager/openapi.h"

namespace vk8s::ipmanager {
namespace {

// A token of a ServiceAccount has a kilobyte or two.
constexpr std::size_t kMaxHeaderBytes = 16U << 10U;

// Until the CA has been read, for the probes of a kubelet, which verify
// nothing. No caller that trusts the CA takes it.
Result<pki::KeyPair> provisional_certificate(std::string_view namespace_name) {
  const pki::KeyPair ca = VK8S_TRY(pki::create_ca({std::string(kServiceName), {}}));
  return pki::issue(ca, leaf_request(namespace_name));
}

const OpenPath* find_open_path(std::string_view path) {
  const auto& paths = open_paths();
  const auto found = std::find_if(paths.begin(), paths.end(),
                                  [&](const OpenPath& open) { return open.path == path; });
  return found == paths.end() ? nullptr : &*found;
}

}  // namespace

Service::Service(EventLoop& loop, kube::Client& client, ServiceOptions options, Log log)
    : loop_(loop),
      options_(std::move(options)),
      log_(std::move(log)),
      allocator_(loop, client, log_.child("allocator")),
      sweeper_(loop, client, allocator_, log_.child("sweeper")),
      access_(loop, client, options_.access, log_.child("access")),
      api_(allocator_, access_, log_.child("api")),
      metrics_(loop, allocator_),
      certificate_(
          loop, client, options_.namespace_name,
          [this](const pki::KeyPair& pair) {
            return server_->set_certificate(pair.certificate_pem, pair.key_pem);
          },
          std::chrono::system_clock::now, log_.child("certificate")) {}

Service::~Service() = default;

Status Service::start() {
  const pki::KeyPair pair = VK8S_TRY(provisional_certificate(options_.namespace_name));
  http::ServerOptions options;
  options.address = options_.address;
  options.port = options_.port;
  options.certificate_pem = pair.certificate_pem;
  options.key_pem = pair.key_pem;
  options.max_header_bytes = kMaxHeaderBytes;
  server_ = VK8S_TRY(http::Server::start(
      loop_, options,
      [this](http::ServerRequest request, http::Responder responder) {
        handle(std::move(request), std::move(responder));
      },
      log_.child("http")));
  allocator_.when_synced([this] { log_.info("caches are filled"); });
  allocator_.start();
  sweeper_.start();
  certificate_.start();
  return {};
}

void Service::stop(std::function<void()> on_stopped) {
  certificate_.stop();
  sweeper_.stop();
  server_->stop([this, on_stopped = std::move(on_stopped)] {
    allocator_.stop();
    on_stopped();
  });
}

void Service::handle(http::ServerRequest request, http::Responder responder) {
  if (find_open_path(request.path) != nullptr) {
    std::move(responder).send(answer_open(request));
    return;
  }
  const auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string method = request.method;
  const std::string path = request.path;
  api_.handle(std::move(request), [this, shared, method, path](http::ServerResponse response) {
    metrics_.count_request(method, path, response.status);
    std::move(*shared).send(std::move(response));
  });
}

http::ServerResponse Service::answer_open(const http::ServerRequest& request) {
  if (request.method != "GET") {
    Refusal refusal{.status = 405, .message = "there is GET here"};
    refusal.headers = {{"Allow", "GET"}};
    return to_response(refusal);
  }
  if (request.path == "/healthz") {
    return {.body = "ok\n"};
  }
  if (request.path == "/readyz") {
    return {.status = is_ready() ? 200 : 503,
            .body = is_ready() ? "ok\n" : "the caches are being filled\n"};
  }
  if (request.path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_.text()};
  }
  return {.content_type = "application/json", .body = openapi_text()};
}

}  // namespace vk8s::ipmanager
