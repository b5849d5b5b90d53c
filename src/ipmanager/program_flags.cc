#include "ipmanager/program_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::ipmanager {
namespace {

// "10.0.0.7:5002" or "[::]:5002".
Status take_address(std::string_view text, ServiceOptions& service) {
  const std::size_t colon = text.rfind(':');
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), service.port);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() ||
      !IpAddress::parse(host)) {
    return fail(Errc::kInvalidArgument,
                "--address \"{}\": an IP address and a port are needed, as in "
                "0.0.0.0:5002",
                base::printable(text, 128));
  }
  service.address = host;
  return {};
}

}  // namespace

void add_flags(CLI::App& app, ProgramFlags& flags) {
  ServiceOptions& service = flags.options.service;
  app.add_option("--kubeconfig", flags.options.kubeconfig,
                 "the host cluster; without it: the one this runs in");
  app.add_option("--address", flags.address, "where to listen (TLS)")->capture_default_str();
  app.add_option("--namespace", service.namespace_name,
                 "of the Secret and ConfigMap vk8s-ip-manager-ca")
      ->capture_default_str();
  app.add_option("--audience", service.access.audience,
                 "whom callers' tokens must be for; \"\": the API server")
      ->capture_default_str();
}

Result<ProgramOptions> check_flags(ProgramFlags flags) {
  ServiceOptions& service = flags.options.service;
  VK8S_TRY(take_address(flags.address, service));
  if (!base::is_dns_label(service.namespace_name)) {
    return fail(Errc::kInvalidArgument, "--namespace \"{}\": that is no name of a namespace",
                base::printable(service.namespace_name, 128));
  }
  return std::move(flags.options);
}

}  // namespace vk8s::ipmanager
