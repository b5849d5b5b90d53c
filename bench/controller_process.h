// The program vk8s-controller as a child, and what the kernel says of it.
#pragma once

#include <chrono>
#include <string>

#include "base/error.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::bench {

// Its end kills the process.
class ControllerProcess {
 public:
  static Result<ControllerProcess> start(const std::string& program, const std::string& kubeconfig);

  // Fails once the process has ended, with its last words.
  Status check_running();
  Result<double> rss_mebibytes() const;
  // Of all its threads, in user and kernel mode.
  Result<std::chrono::duration<double>> cpu_time() const;

 private:
  ControllerProcess(sys::TempDir folder, sys::ChildProcess process)
      : folder_(std::move(folder)), process_(std::move(process)) {}
  Result<std::string> proc_file(const char* name) const;

  sys::TempDir folder_;  // outlives the process
  sys::ChildProcess process_;
};

}  // namespace vk8s::bench
