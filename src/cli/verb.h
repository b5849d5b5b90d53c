// What the verbs declare in common: help with examples, the options of the connection,
// the name of a cluster.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.h"
#include "cli/user_kubeconfig.h"

namespace vk8s::cli {

struct VerbText {
  std::string name;
  std::string help;
  std::vector<std::string> examples;  // "kubectl vk8s list -A"
};

// A verb whose --help ends with its examples and the exit codes.
CLI::App* add_verb(CLI::App& root, const VerbText& text);

// --kubeconfig, --context, -n/--namespace.
void add_connection_options(CLI::App& verb, ConnectionOptions& options);

// The argument NAME of a cluster that exists: shell completion offers those there are.
CLI::Option* add_cluster_argument(CLI::App& verb, std::string& name);
bool takes_cluster_name(const CLI::App& verb);

CLI::Option* add_timeout_option(CLI::App& verb, double& seconds, const std::string& help);

// Makes action(session, flags) what is run when the verb is chosen.
template <class Flags>
void set_action(CLI::App& verb, Session& session, const std::shared_ptr<Flags>& flags,
                Status (*action)(Session&, const Flags&)) {
  verb.callback([&session, flags, action] {
    session.action = [&session, flags, action] { return action(session, *flags); };
  });
}

}  // namespace vk8s::cli
