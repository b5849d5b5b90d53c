#include "cli/run.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/commands.h"

namespace vk8s::cli {

int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  Session session(out, err);
  CLI::App app("Virtual Kubernetes clusters on demand: kubectl vk8s VERB ...", "kubectl-vk8s");
  app.footer(std::string(kExitCodeHelp));
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of every verb");
  add_host_command(app, session);
  add_version_command(app, session);
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
  return kExitOk;
}

}  // namespace vk8s::cli
