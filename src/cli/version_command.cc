#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "api/version_catalogue.h"
#include "cli/commands.h"

namespace vk8s::cli {
namespace {

Status print_version(Session& session, OutputFormat format) {
  if (format == OutputFormat::kJson) {
    JsonArray kubernetes;
    for (const api::KubernetesRelease& release : api::releases()) {
      kubernetes.emplace_back(release.version);
    }
    session.print_json(
        JsonObject{{"version", VK8S_VERSION}, {"kubernetes", std::move(kubernetes)}});
    return {};
  }
  std::string versions;
  for (const api::KubernetesRelease& release : api::releases()) {
    versions += fmt::format("{}{}", versions.empty() ? "" : ", ", release.version);
  }
  session.print(fmt::format("kubectl-vk8s {}\nKubernetes {}", VK8S_VERSION, versions));
  return {};
}

}  // namespace

void add_version_command(CLI::App& root, Session& session) {
  const auto format = std::make_shared<OutputFormat>(OutputFormat::kText);
  CLI::App* verb = root.add_subcommand(
      "version", "Print the version, and the Kubernetes versions clusters can have");
  add_output_option(*verb, *format);
  verb->callback([&session, format] {
    session.action = [&session, format] { return print_version(session, *format); };
  });
}

}  // namespace vk8s::cli
