#include <algorithm>
#include <iterator>

#include "cli/cluster_checks.h"
#include "cli/commands.h"
#include "cli/finding_view.h"
#include "cli/host_checks.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct DoctorFlags {
  ConnectionOptions connection;
  std::string name;
  OutputFormat format = OutputFormat::kText;
};

Findings examine(Session& session, const DoctorFlags& flags) {
  auto api = HostApi::connect(session.surroundings(), flags.connection);
  if (!api) {
    return {bad("host cluster", api.error().message(),
                "give --kubeconfig or --context of a Kubernetes, or make one here: 'kubectl vk8s "
                "host up'")};
  }
  Findings out = check_host(*api, session.surroundings());
  // Behind an API server that does not answer there is nothing to see.
  if (!flags.name.empty() && out.size() > 1) {
    Findings more = check_cluster(*api, session.surroundings(), flags.name);
    std::move(more.begin(), more.end(), std::back_inserter(out));
  }
  return out;
}

Status run_doctor(Session& session, const DoctorFlags& flags) {
  if (!flags.name.empty()) {
    VK8S_TRY(check_cluster_name(flags.name));
  }
  const Findings findings = examine(session, flags);
  const std::size_t failures = count_failures(findings);
  if (flags.format != OutputFormat::kText) {
    session.print_document(to_json(findings), flags.format);
  } else {
    print_findings(session, findings);
  }
  if (failures > 0) {
    return fail(Errc::kUnavailable, "{} of {} checks failed", failures, findings.size());
  }
  return {};
}

}  // namespace

void add_doctor_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<DoctorFlags>();
  CLI::App* verb = add_verb(
      root, {"doctor",
             "Check the host, and a cluster if one is named, and say how to mend what is wrong",
             {"kubectl vk8s doctor", "kubectl vk8s doctor team-a -n research",
              "kubectl vk8s doctor -o json"}});
  add_cluster_argument(*verb, flags->name)->required(false);
  add_output_option(*verb, flags->format);
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_doctor);
}

}  // namespace vk8s::cli
