#include "controller/health_server.h"

#include <charconv>
#include <utility>

#include "base/text.h"
#include "controller/manifests.h"
#include "pki/pki.h"

namespace vk8s::controller {
namespace {

Result<http::ServerOptions> listen_options(std::string_view address, http::ServerOptions out) {
  const std::size_t colon = address.rfind(':');
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
    return fail(Errc::kInvalidArgument, "metrics address \"{}\": write <address>:<port>",
                base::printable(address, 128));
  }
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  out.address = host.empty() ? "0.0.0.0" : std::string(host);
  return out;
}

http::ServerResponse answer(const http::ServerRequest& request, const HealthSources& sources) {
  if (request.method != "GET") {
    return {.status = 405, .body = "GET only\n"};
  }
  if (request.path == "/healthz") {
    return {.body = "ok\n"};
  }
  if (request.path == "/readyz") {
    const bool ready = sources.is_ready();
    return {.status = ready ? 200 : 503, .body = ready ? "ok\n" : "the caches are being filled\n"};
  }
  if (request.path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = sources.metrics()};
  }
  return {.status = 404, .body = "there are /metrics, /healthz and /readyz\n"};
}

}  // namespace

Result<std::unique_ptr<http::Server>> start_health_server(EventLoop& loop, std::string_view address,
                                                          HealthSources sources, Log log,
                                                          http::ServerOptions limits) {
  http::ServerOptions options = VK8S_TRY(listen_options(address, std::move(limits)));
  const pki::KeyPair ca = VK8S_TRY(pki::create_ca({std::string(kControllerName) + "-ca", {}}));
  pki::LeafRequest leaf;
  leaf.subject.common_name = kControllerName;
  leaf.dns_names = {std::string(kControllerName)};
  leaf.server = true;
  leaf.lifetime = std::chrono::hours(24 * 3650);  // nobody verifies it; it ends with the process
  const pki::KeyPair pair = VK8S_TRY(pki::issue(ca, leaf));
  options.certificate_pem = pair.certificate_pem;
  options.key_pem = pair.key_pem;
  return http::Server::start(
      loop, options,
      [sources = std::move(sources)](http::ServerRequest request, http::Responder responder) {
        std::move(responder).send(answer(request, sources));
      },
      std::move(log));
}

}  // namespace vk8s::controller
