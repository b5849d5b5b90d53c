#include "api/version_catalogue.h"
#include "cli/commands.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

Status print_versions(Session& session, const OutputFormat& format) {
  if (format == OutputFormat::kText) {
    std::vector<std::vector<std::string>> rows = {
        {"VERSION", "KUBERNETES", "IMAGE", "DEFAULT", "END OF LIFE"}};
    for (const api::KubernetesRelease& release : api::releases()) {
      rows.push_back({std::string(release.minor), std::string(release.version),
                      std::string(release.image), &release == api::releases().data() ? "yes" : "",
                      release.is_end_of_life ? "yes" : ""});
    }
    session.print_table(rows);
    return {};
  }
  JsonArray out;
  for (const api::KubernetesRelease& release : api::releases()) {
    out.push_back(JsonObject{{"version", release.minor},
                             {"kubernetes", release.version},
                             {"image", release.image},
                             {"default", &release == api::releases().data()},
                             {"endOfLife", release.is_end_of_life}});
  }
  session.print_document(out, format);
  return {};
}

}  // namespace

void add_versions_command(CLI::App& root, Session& session) {
  const auto format = std::make_shared<OutputFormat>(OutputFormat::kText);
  CLI::App* verb = add_verb(
      root,
      {"versions", "List the Kubernetes versions a cluster can have", {"kubectl vk8s versions"}});
  add_output_option(*verb, *format);
  set_action(*verb, session, format, print_versions);
}

}  // namespace vk8s::cli
