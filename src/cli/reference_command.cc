#include "cli/commands.h"
#include "cli/reference.h"
#include "cli/verb.h"

namespace vk8s::cli {

// Hidden: for those who build kubectl-vk8s.
void add_reference_command(CLI::App& root, Session& session) {
  CLI::App* verb = root.add_subcommand("reference", "Print docs/cli.md")->group("");
  verb->callback([&session, &root] {
    session.action = [&session, &root]() -> Status {
      session.write(reference_markdown(root));
      return {};
    };
  });
}

}  // namespace vk8s::cli
