// The verbs of kubectl-vk8s, one file each. Each adds itself to the parser and
// sets Session::action when it is chosen.
#pragma once

#include "cli/session.h"

namespace vk8s::cli {

void add_completion_command(CLI::App& root, Session& session);
void add_create_command(CLI::App& root, Session& session);
void add_delete_command(CLI::App& root, Session& session);
void add_doctor_command(CLI::App& root, Session& session);
void add_get_command(CLI::App& root, Session& session);
void add_host_command(CLI::App& root, Session& session);
void add_ip_command(CLI::App& root, Session& session);
void add_kubeconfig_command(CLI::App& root, Session& session);
void add_list_command(CLI::App& root, Session& session);
void add_logs_command(CLI::App& root, Session& session);
void add_pause_command(CLI::App& root, Session& session);
void add_reference_command(CLI::App& root, Session& session);
void add_resume_command(CLI::App& root, Session& session);
void add_shell_command(CLI::App& root, Session& session);
void add_version_command(CLI::App& root, Session& session);
void add_versions_command(CLI::App& root, Session& session);
void add_watch_command(CLI::App& root, Session& session);

}  // namespace vk8s::cli
