// Containers of the machine through runc: started detached, found again by id.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/error.h"

namespace vk8s::host {

enum class ContainerState { kAbsent, kCreated, kRunning, kPaused, kStopped };
std::string_view to_string(ContainerState state);

struct ContainerStatus {
  ContainerState state = ContainerState::kAbsent;
  pid_t pid = 0;  // of its first process, in the machine's numbering
};

class Runc {
 public:
  // program: path of runc. root: where it keeps its state (in /run, so that a
  // reboot empties it).
  Runc(std::string program, std::string root);

  // Runs the container of bundle/config.json and returns when its program has
  // been executed. Its output goes to the end of output_file.
  Status start(const std::string& id, const std::string& bundle, const std::string& output_file);

  Result<ContainerStatus> status(const std::string& id);

  // SIGTERM, after the grace period SIGKILL; returns when every process of the
  // container has ended and runc has forgotten it. Absent is no error.
  Status stop(const std::string& id, std::chrono::milliseconds grace);

 private:
  Status start_once(const std::string& id, const std::string& bundle,
                    const std::string& output_file, const std::string& log_file);

  std::string program_;
  std::string root_;
};

// What `runc state` prints. kInvalidArgument for what is no such document.
Result<ContainerStatus> parse_runc_state(std::string_view json);

// The last message of a runc log (--log-format json), or "".
std::string last_runc_message(std::string_view log);

}  // namespace vk8s::host
