// The verbs of kubectl-vk8s, one file each. Each adds itself to the parser and
// sets Session::action when it is chosen.
#pragma once

#include "cli/session.h"

namespace vk8s::cli {

void add_host_command(CLI::App& root, Session& session);
void add_version_command(CLI::App& root, Session& session);

}  // namespace vk8s::cli
