// /metrics, /healthz and /readyz of the controller, over TLS with a certificate
// of its own making: the kubelet's probes verify none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/log.h"
#include "http/server.h"

namespace vk8s::controller {

struct HealthSources {
  std::function<bool()> is_ready;
  std::function<std::string()> metrics;
};

// address: "0.0.0.0:10301" or "[::]:10301"; port 0 is any. limits: its sizes and
// times; the rest of it is set here.
Result<std::unique_ptr<http::Server>> start_health_server(EventLoop& loop, std::string_view address,
                                                          HealthSources sources, Log log,
                                                          http::ServerOptions limits = {});

}  // namespace vk8s::controller
