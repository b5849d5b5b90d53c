#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

Status print_script(Session& session, const std::string& shell) {
  session.print(VK8S_TRY(completion_script(shell)));
  return {};
}

}  // namespace

void add_completion_command(CLI::App& root, Session& session) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* verb = add_verb(root, {"completion",
                                   "Print a script that completes verbs, options and clusters",
                                   {"source <(kubectl-vk8s completion bash)",
                                    "kubectl-vk8s completion fish > "
                                    "~/.config/fish/completions/kubectl-vk8s.fish"}});
  verb->add_option("SHELL", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  set_action(*verb, session, shell, print_script);
}

}  // namespace vk8s::cli
