#include "cli/run.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/commands.h"
#include "cli/completion.h"

namespace vk8s::cli {
namespace {

// In the order in which --help lists them: as one works with a cluster.
void add_commands(CLI::App& app, Session& session) {
  add_create_command(app, session);
  add_list_command(app, session);
  add_get_command(app, session);
  add_watch_command(app, session);
  add_kubeconfig_command(app, session);
  add_shell_command(app, session);
  add_logs_command(app, session);
  add_pause_command(app, session);
  add_resume_command(app, session);
  add_delete_command(app, session);
  add_doctor_command(app, session);
  add_ip_command(app, session);
  add_versions_command(app, session);
  add_host_command(app, session);
  add_completion_command(app, session);
  add_version_command(app, session);
  add_reference_command(app, session);
}

}  // namespace

int run(std::span<const std::string> arguments, Surroundings& surroundings, std::ostream& out,
        std::ostream& err) {
  Session session(surroundings, out, err);
  CLI::App app("Virtual Kubernetes clusters on demand: kubectl vk8s VERB ...", "kubectl-vk8s");
  app.footer(std::string(kExitCodeHelp));
  app.require_subcommand(1);
  add_commands(app, session);
  // Last, or every verb would have it too.
  app.set_help_all_flag("--help-all", "Print the help of every verb");
  if (!arguments.empty() && arguments.front() == kCompleteVerb) {
    print_completion(app, session, arguments.subspan(1));
    return kExitOk;
  }
  try {
    // CLI11 takes the last argument from the end.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  }
  const Status done = session.action ? session.action() : Status{};
  if (!done) {
    session.print_error(done.error());
    return exit_code_of(done.error());
  }
  return session.exit_code.value_or(kExitOk);
}

}  // namespace vk8s::cli
