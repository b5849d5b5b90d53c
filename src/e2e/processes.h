// The machine's processes, among them all of an embedded host's nodes: for tests that look for
// what is left of something, or that kill what a user could not reach.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace vk8s::e2e {

struct Process {
  pid_t pid = 0;
  std::string name;                  // comm
  std::string command_line;          // with spaces between the arguments; "" of a zombie
  std::vector<std::string> cgroups;  // a path a hierarchy, without what repeats
};

// Those that end meanwhile are left out.
std::vector<Process> list_processes();

bool is_in_cgroup(const Process& process, std::string_view part_of_path);

// "net:[4026532178]" of "net"; "" once the process has ended.
std::string namespace_of(pid_t pid, const std::string& kind);

// SIGKILL to the one process of that name in a cgroup whose path contains this, and waits until
// it has ended. kNotFound where there is none.
Status kill_process(std::string_view name, std::string_view part_of_cgroup);

}  // namespace vk8s::e2e
