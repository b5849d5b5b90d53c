#include "api/version_catalogue.h"
#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/installation.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

using namespace std::chrono_literals;

struct VersionFlags {
  ConnectionOptions connection;
  OutputFormat format = OutputFormat::kText;
  bool is_short = false;
};

// What is not reachable stays "".
struct HostVersions {
  std::string server;
  std::string controller_image;
};

HostVersions ask_host(Session& session, const VersionFlags& flags) {
  HostVersions out;
  auto api = HostApi::connect(session.surroundings(), flags.connection);
  if (!api) {
    return out;
  }
  api->set_timeout(5s);
  const auto version = api->version();
  if (!version) {
    return out;
  }
  out.server = version->text;
  if (const auto deployment = api->get(kube::resources::kDeployment, controller_deployment())) {
    out.controller_image = clean_field(*deployment, "spec.template.spec.containers.0.image", 512);
  }
  return out;
}

Status print_version(Session& session, const VersionFlags& flags) {
  const HostVersions host = flags.is_short ? HostVersions() : ask_host(session, flags);
  if (flags.format != OutputFormat::kText) {
    JsonArray kubernetes;
    for (const api::KubernetesRelease& release : api::releases()) {
      kubernetes.emplace_back(release.version);
    }
    JsonObject out = {{"version", VK8S_VERSION}, {"kubernetes", std::move(kubernetes)}};
    if (!host.server.empty()) {
      out["host"] = host.server;
    }
    if (!host.controller_image.empty()) {
      out["controllerImage"] = host.controller_image;
    }
    session.print_document(out, flags.format);
    return {};
  }
  std::string versions;
  for (const api::KubernetesRelease& release : api::releases()) {
    versions += fmt::format("{}{}", versions.empty() ? "" : ", ", release.version);
  }
  session.print(fmt::format("kubectl-vk8s {}\nKubernetes {}", VK8S_VERSION, versions));
  if (!host.server.empty()) {
    session.print(fmt::format(
        "host {}\ncontroller {}", host.server,
        host.controller_image.empty() ? "not installed, or not readable" : host.controller_image));
  }
  return {};
}

}  // namespace

void add_version_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<VersionFlags>();
  CLI::App* verb =
      add_verb(root, {"version",
                      "Print the version, that of the host and its controller, and the Kubernetes "
                      "versions clusters can have",
                      {"kubectl vk8s version", "kubectl vk8s version --short -o json"}});
  verb->add_flag("--short", flags->is_short, "Do not ask the host");
  add_output_option(*verb, flags->format);
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, print_version);
}

}  // namespace vk8s::cli
